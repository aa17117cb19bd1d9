# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The dashboard files of saas_dashboards, checked without Odoo."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ADDON = Path(__file__).resolve().parent.parent / "addons" / "saas_dashboards"
FILES = sorted((ADDON / "data" / "files").glob("*.json"))
EXECUTIVE = "saas_executive_dashboard.json"


@pytest.fixture(scope="module")
def generator():
    """Import the generator by path; the addon itself needs Odoo."""
    sys.path.insert(0, str(ADDON))
    try:
        yield {
            name: importlib.import_module(f"generator.{name}")
            for name in ("__main__", "builder", "checker")
        }
    finally:
        sys.path.remove(str(ADDON))
        for name in [one for one in sys.modules if one.split(".")[0] == "generator"]:
            del sys.modules[name]


@pytest.fixture
def check(generator):
    """Return ``check(text)`` for the executive file, or any changed text of it."""
    return lambda text: generator["checker"].check(EXECUTIVE, text)


@pytest.fixture
def text():
    """Return the committed executive dashboard."""
    return (ADDON / "data" / "files" / EXECUTIVE).read_text()


def test_committed_files_are_the_generated_ones(generator):
    assert generator["__main__"].stale() == []
    assert {file.name for file in FILES} == set(generator["__main__"].generate())


def test_generating_twice_gives_the_same_bytes(generator):
    generate = generator["__main__"].generate
    assert generate() == generate()


def test_check_mode_writes_nothing_and_succeeds(generator):
    before = {file: file.stat().st_mtime_ns for file in FILES}
    assert generator["__main__"].main(["--check"]) == 0
    assert {file: file.stat().st_mtime_ns for file in FILES} == before


def test_check_mode_finds_a_stale_file(generator, tmp_path):
    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / EXECUTIVE).write_text("{}")
    assert generator["__main__"].stale(tmp_path) == [EXECUTIVE]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_have_no_problem(generator, file):
    assert generator["checker"].check(file.name, file.read_text()) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_hold_no_figures(file):
    """Formulas and texts only: no number stands in a cell."""
    for sheet in json.loads(file.read_text())["sheets"]:
        for content in sheet["cells"].values():
            assert not content.replace(".", "").isdigit() or content == "0"


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ('"version": "18.5.10"', '"version": "99.0"', "version"),
        ("PIVOT.VALUE(1,", "PIVOT.VALUE(99,", "pivot 99"),
        ('PIVOT.VALUE(1,\\"value\\"', 'PIVOT.VALUE(1,\\"nope\\"', "no measure"),
        ("#date_start:day", "#date_start:year", "not grouped by"),
        ('ODOO.LIST(1,1,\\"name\\")', 'ODOO.LIST(9,1,\\"name\\")', "list 9"),
        ('ODOO.LIST(1,1,\\"name\\")', 'ODOO.LIST(1,1,\\"nope\\")', "no column nope"),
        ('"keyValue": "Data!G2"', '"keyValue": "Nope!G2"', "sheet Nope"),
        ('"keyValue": "Data!G2"', '"keyValue": "Data!Z9"', "is empty"),
        ("IFERROR(", "IFEROR(", "function IFEROR"),
        ("=IFERROR(", "=IFERROR((", "brackets"),
        ('"height": 109', '"height": 190', "overlap"),
        ('"colNumber": 8', '"colNumber": 2', "outside"),
    ],
)
def test_planted_faults_are_found(check, text, good, bad, complaint):
    assert good in text
    assert any(complaint in problem for problem in check(text.replace(good, bad)))


def test_source_left_out_of_a_filter_is_found(check, text):
    doc = json.loads(text)
    doc["pivots"]["1"]["fieldMatching"].popitem()
    assert any("not linked to filter" in one for one in check(json.dumps(doc)))


def test_filter_that_acts_on_nothing_is_found(check, text):
    doc = json.loads(text)
    doc["globalFilters"].append({"id": "new", "type": "date", "label": "New"})
    assert "filter New acts on nothing" in check(json.dumps(doc))


def test_figure_that_opens_nothing_is_found(check, text):
    doc = json.loads(text)
    doc["chartOdooMenusReferences"].popitem()
    assert any("opens nothing" in one for one in check(json.dumps(doc)))


def test_wrong_file_name_and_broken_json_are_found(generator, text):
    check = generator["checker"].check
    assert check("executive.json", text) == ["name must end in _dashboard.json"]
    assert "not JSON" in check(EXECUTIVE, text[:-20])[0]


def test_column_letters(generator):
    column = generator["builder"].column
    assert [column(i) for i in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
