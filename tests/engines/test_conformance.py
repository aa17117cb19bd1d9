# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The published cases, and the runner's manners with broken ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from ..conformance.runner import Outcome, main, run_file

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_published_cases_pass(path: Path) -> None:
    outcomes = list(run_file(path))
    assert len(outcomes) > (1 if path.stem == "kpi" else 50)
    assert [outcome.line for outcome in outcomes if outcome.problem] == []


def run(tmp_path: Path, text: str) -> list[Outcome]:
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    return list(run_file(path))


GRADUATED = """
cases:
- id: A-1
  kind: graduated
  input:
    tiers:
    - {up_to: 10, unit: 0.1, flat: 0}
    - {up_to: null, unit: 0.05}
  rows:
"""


def test_numbers_without_quotes_are_exact(tmp_path: Path) -> None:
    outcomes = run(tmp_path, GRADUATED + "  - {usage: 3, amount: 0.30}\n")
    assert [outcome.line for outcome in outcomes] == ["PASS A-1"]


def test_a_wrong_figure_fails_with_got_and_wanted(tmp_path: Path) -> None:
    rows = "  - {usage: 3, amount: 0.3}\n  - {usage: 3, amount: 0.3000001}\n"
    lines = [outcome.line for outcome in run(tmp_path, GRADUATED + rows)]
    assert lines == ["PASS A-1/1", "FAIL A-1/2 got 0.3 wanted 0.3000001"]


@pytest.mark.parametrize(
    "row, word",
    [
        ("{usage: -1, amount: 0}", "QuantityError"),
        ("{usage: many, amount: 0}", "not a number"),
        ("{usage: NaN, amount: 0}", "not a number"),
        ("{amount: 0}", "lacks usage"),
        ("{usage: 1}", "lacks amount"),
        ("{usage: 1, amount: 0, tiers: [{up_to: 5, unit: 1}]}", "TierError"),
        ("{usage: 1, amount: 0, tiers: 5}", "error"),
        ("nonsense", "not a mapping"),
    ],
)
def test_a_bad_row_is_one_failed_line(tmp_path: Path, row: str, word: str) -> None:
    good = "  - {usage: 3, amount: 0.3}\n"
    outcomes = run(tmp_path, GRADUATED + f"  - {row}\n" + good)
    assert [bool(outcome.problem) for outcome in outcomes] == [True, False]
    assert word in outcomes[0].line
    assert "\n" not in outcomes[0].line


def test_unknown_kind_is_named(tmp_path: Path) -> None:
    text = "cases:\n- {id: X, kind: magic, rows: [{a: 1}]}\n- {id: Y}\n- 5\n"
    lines = [outcome.line for outcome in run(tmp_path, text)]
    assert lines[0] == "FAIL X unknown kind: magic"
    assert lines[1].startswith("FAIL Y unknown kind")
    assert lines[2].startswith("FAIL case-3")


@pytest.mark.parametrize("text", ["", "5", "cases: 5", "cases: [", "\x00"])
def test_a_broken_file_is_one_failed_line(tmp_path: Path, text: str) -> None:
    outcomes = run(tmp_path, text)
    assert len(outcomes) == 1 and outcomes[0].problem


@pytest.mark.parametrize(
    "kind, row, word",
    [
        ("prorated_graduated", "{tiers: [{up_to: null}], events: [1]}", "length"),
        ("prorated_graduated", "{tiers: [{up_to: inf, flat: 3}], amount: 3}", ""),
        ("weighted_sum", "{events: [5], value: 0}", "not a pair"),
        ("weighted_sum", "{events: 5, value: 0}", "not a list"),
        ("weighted_sum", "{events: [], value: 0}", "lacks period_start"),
        ("unique_prorated", "{intervals: [[0, 1]], value: 1}", "lacks period_start"),
        ("unique_prorated", "{intervals: [[1, 0]], period_days: 9, value: 1}", "Aggr"),
        ("windowed_commitment", "{windows: [{unit: 1}], amount: 1}", "lacks usage"),
        ("windowed_commitment", "{windows: [], amount: 0}", ""),
        ("wallet", "{granted: 5, charges: [2]}", "expects nothing"),
        ("wallet", "{granted: 5, charges: [2, 4], paid: [2, 3], balances: [3, 0]}", ""),
        ("wallet", "{granted: 5, charges: [2], balances: [4]}", "wanted 4"),
        ("rollover", "{balance: 5, min: 9, max: 3, result: 3}", "TermsError"),
        ("credit_note", "{paid: 10, unused: [1], item: 1}", "error"),
        ("credit_note", "{paid: 10, unused: [1, 3], decimals: 2, item: 3.33}", ""),
        ("next_date", "{anchor: 2026-01-31, unit: half_year, next: 2026-07-31}", ""),
        ("next_date", "{anchor: 2026-01-31, unit: months, count: 1}", "lacks next"),
        ("next_date", "{anchor: 2026-01-31, unit: moon, next: 2026-02-28}", "Period"),
        ("next_date", "{anchor: 2026-01-31, step: 0, next: 2026-02-28}", "Period"),
        (
            "prorate_days",
            "{amount: -9, used_days: 1, period_days: 2, result: -4.5}",
            "",
        ),
        ("prorate_days", "{amount: 9, used_days: 3, period_days: 2, result: 9}", "use"),
        ("floor_ceil", "{fn: down, value: -1.5, result: -2}", ""),
        ("true_up", "{minimum: 10, used: [2, 3], true_up: 5}", ""),
        ("simple_agg", "{agg: SUM, events: [1, 2], value: 3}", ""),
        ("simple_agg", "{agg: unique, keys: [a, b, a], value: 2}", ""),
        ("simple_agg", "{agg: p95, events: [4, 1, 3], value: 4}", ""),
        (
            "simple_agg",
            "{agg: percentile, percentile: 50, events: [4, 1], value: 1}",
            "",
        ),
        ("simple_agg", "{agg: percentile, events: [4], value: 4}", "TermsError"),
        ("package", "{package_size: 10, unit: 2, usage: 11, amount: 4}", ""),
        ("package", "{size: 10, price: 2, round: nearest, usage: 14, amount: 2}", ""),
        ("standard", "{unit: 2, round: NONE, usage: 1.5, amount: 3}", ""),
        (
            "unit_conversion_package",
            "{divide_by: 1000, round: ceil, size: 4, price: 3, usage: 7400, amount: 6}",
            "",
        ),
        (
            "unit_conversion",
            "{divide_by: 1000, round: ceil, round_to: 0.1, unit: 10, usage: 1420,"
            " amount: 15}",
            "",
        ),
        (
            "stairstep",
            "{tiers: [{up_to: 5, price: 3}, {up_to: null, amount: 9}], usage: 6,"
            " amount: 9}",
            "",
        ),
        (
            "late_events",
            "{model: block, tiers: [{block: 100, max_blocks: 10, price: 1}],"
            " runs: [[130], [401]], totals: [2, 3]}",
            "",
        ),
        (
            "bucketed",
            "{model: percentage, bucket_agg: sum, rate: 10, buckets: [[1], [11]],"
            " amount: 1.2}",
            "",
        ),
        ("true_up", "{minimum: 1000, used: {a: 200, b: 300}, true_up: 500}", ""),
        (
            "discount_then_max",
            "{unit: 10, discount_percent: 50, max: 60, usage: 20, amount: 60}",
            "",
        ),
    ],
)
def test_rows_of_other_kinds(tmp_path: Path, kind: str, row: str, word: str) -> None:
    """Accepted spellings pass, anything else says what is wrong."""
    text = f"cases:\n- {{id: X, kind: {kind}, rows: [{row}]}}\n"
    (outcome,) = run(tmp_path, text)
    assert word in outcome.problem
    assert bool(outcome.problem) == bool(word)


METRICS = """
cases:
- {id: R-1, metric: renewal, inputs: {contracts: [1, 2.5]}, expected: {atr: 3.5}}
- {id: R-2, metric: renewal, inputs: {contracts: [1, -2]}, expected: {atr: 3}}
- {id: R-3, metric: renewal, inputs: 5, expected: {atr: 3}}
- {id: O-1, metric: onboarding, inputs: {signup: 01-01, live: 01-01, days: 0}}
- {id: X-1, metric: fame, inputs: {}, expected: {fame: 1}}
"""


def test_metrics_have_inputs_and_expected_figures(tmp_path: Path) -> None:
    lines = [outcome.line for outcome in run(tmp_path, METRICS)]
    assert [line.split()[0] for line in lines] == [
        "PASS",
        "FAIL",
        "FAIL",
        "PASS",
        "FAIL",
    ]
    assert "TermsError" in lines[1]
    assert "inputs is not a mapping" in lines[2]
    assert "unknown metric: fame" in lines[4]


SLA = """
calendars:
  split:
    tz: Europe/Berlin
    hours:
      mon: [[08:00, 13:00], [14:00, 18:00]]
      tue: [[8:00, 24:00]]
    holidays: [2026-03-03]
cases:
- id: S-1
  kind: deadline
  calendar: split
  start: 2026-03-02T12:30:00+01:00
  target_minutes: 60
  pauses: []
  expected: 2026-03-02 13:30:00
  escalation: {offset_minutes: -60, expected: '2026-03-02T11:30:00Z'}
- id: S-2
  kind: deadline
  calendar: split
  start: 2026-03-02T12:30:00+01:00
  target_minutes: 60
  boundary: whenever
  expected: 2026-03-02 13:30:00
- id: S-3
  kind: deadline
  calendar: none
  start: 2026-03-02T12:30:00+01:00
  target_minutes: 60
  expected: 2026-03-02 13:30:00
"""


def test_sla_options(tmp_path: Path) -> None:
    lines = [outcome.line for outcome in run(tmp_path, SLA)]
    assert lines[0] == "PASS S-1"
    assert "unknown boundary: whenever" in lines[1]
    assert "no calendar: none" in lines[2]


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("cases: [{id: X, kind: magic}]", encoding="utf-8")
    assert main([str(CASES[0])]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" passed, 0 failed")
    assert main([str(CASES[0]), str(bad)]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith(" passed, 1 failed")
    assert main([]) == 2


def test_command_line_needs_no_odoo() -> None:
    code = (
        "import sys; sys.modules['odoo'] = None;"
        "from tests.conformance.runner import main;"
        f"sys.exit(main([{str(CASES[0])!r}]))"
    )
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
