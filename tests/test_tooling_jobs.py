# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The jobs of `make test`: none is left out, none stops the others."""

import threading

from tools import addons, testing
from tools.errors import ToolError


class TestJobs:
    def test_a_failing_job_stops_no_other(self, capsys):
        def work_badly():
            raise OSError("no log")

        def refuse():
            raise ToolError("no database", "start it")

        jobs = [testing.Job("bad", work_badly), testing.Job("good", lambda: (3, 0, ""))]
        [refused] = testing.jobs_of("e2e", refuse)
        results = testing.run_all(
            [*(("addons", job) for job in jobs), ("e2e", refused)]
        )
        text, failed = testing.summary(results)
        assert failed == 2
        assert text.endswith("3 passed, 2 failed")
        told = capsys.readouterr()
        assert "OSError: no log" in told.out + told.err
        assert "no database" in told.out + told.err

    def test_the_first_jobs_run_while_others_are_prepared(self):
        done = threading.Event()

        def first():
            done.set()
            return 1, 0, ""

        def prepare():
            yield "engines", testing.Job("first", first)
            assert done.wait(10)
            yield "addons", testing.Job("second", lambda: (2, 0, ""))

        results = testing.run_all(prepare())
        assert list(results) == ["engines", "addons"]


def test_parts_hold_every_test_file_once() -> None:
    """An addon in parts is the addon as a whole, and a small one is one part."""
    from tools.testing import test_parts

    for addon in addons.all_addons():
        files = [path for part in test_parts(addon) for path in part]
        assert sorted(files) == sorted(addon.glob("tests/**/test_*.py"))
        assert all(test_parts(addon))
