# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Run case files and print one line per row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import billing, billing_time, kpi, sla
from .values import CaseError, Check, load, show

Kind = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Check]]
KINDS: Mapping[str, Kind] = {
    **billing.KINDS,
    **billing_time.KINDS,
    **sla.KINDS,
}
METRICS: Mapping[str, Kind] = kpi.METRICS


class Outcome(NamedTuple):
    """One printed row: ``problem`` is empty when it passed."""

    row: str
    problem: str = ""

    @property
    def line(self) -> str:
        """Return the line to print."""
        if self.problem:
            return f"FAIL {self.row} {self.problem}"
        return f"PASS {self.row}"


def run_file(path: Path) -> Iterator[Outcome]:
    """Run every row of a case file.

    :param path: YAML file
    :return: one outcome per row; an unreadable file is one failed row
    """
    try:
        content = load(path)
        if not isinstance(content, Mapping) or not isinstance(
            content.get("cases"), list
        ):
            raise CaseError("no list of cases")
    except CaseError as error:
        yield Outcome(path.name, f"error: {error}")
        return
    for position, case in enumerate(content["cases"], 1):
        if isinstance(case, Mapping):
            yield from run_case(case, content, str(case.get("id", f"case-{position}")))
        else:
            yield Outcome(f"case-{position}", "error: the case is not a mapping")


def run_case(
    case: Mapping[str, Any], content: Mapping[str, Any], name: str
) -> Iterator[Outcome]:
    """Run the rows of one case.

    :param case: the case
    :param content: the whole file, for its calendars
    :param name: id of the case
    :return: one outcome per row, numbered when there are several
    """
    rows = case.get("rows", [case])
    if not isinstance(rows, list) or not rows:
        yield Outcome(name, "error: the case has no rows")
        return
    for position, row in enumerate(rows, 1):
        label = name if len(rows) == 1 else f"{name}/{position}"
        yield Outcome(label, run_row(case, row, content))


def run_row(case: Mapping[str, Any], row: Any, content: Mapping[str, Any]) -> str:
    """Run one row.

    :param case: the case, for its kind and shared input
    :param row: the row
    :param content: the whole file
    :return: what is wrong, empty when nothing is
    """
    key, kinds, parts = "kind", KINDS, ("input",)
    if "kind" not in case and "metric" in case:
        key, kinds, parts = "metric", METRICS, ("inputs", "expected")
    name = case.get(key)
    if name not in kinds:
        return f"unknown {key}: {name}"
    try:
        if not isinstance(row, Mapping):
            raise CaseError("the row is not a mapping")
        checks = kinds[name]({**merged(case, parts), **row}, content)
    except Exception as error:  # noqa: BLE001 - one broken case must not stop the rest
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return f"error: {text}"
    if not checks:
        return "error: the row expects nothing"
    return "; ".join(
        f"{check.name}got {show(check.got)} wanted {show(check.wanted)}"
        for check in checks
        if not check.ok
    )


def merged(case: Mapping[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    """Return what all rows of a case share.

    :param case: the case
    :param parts: keys of the mappings that hold it; missing ones are empty
    :return: one mapping
    :raise CaseError: one of them is no mapping
    """
    shared: dict[str, Any] = {}
    for part in parts:
        content = case.get(part) or {}
        if not isinstance(content, Mapping):
            raise CaseError(f"the {part} is not a mapping")
        shared.update(content)
    return shared


def main(arguments: Sequence[str]) -> int:
    """Run files and print the lines and the totals.

    :param arguments: paths of case files
    :return: exit code: 0 all passed, 1 something failed, 2 no file given
    """
    if not arguments:
        print("usage: python -m tests.conformance FILE...")
        return 2
    passed = failed = 0
    for argument in arguments:
        for outcome in run_file(Path(argument)):
            print(outcome.line)
            failed += bool(outcome.problem)
            passed += not outcome.problem
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
