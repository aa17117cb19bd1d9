# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import Counter
from datetime import date, timedelta
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from ..models import project_project_check as check_module
from .common_onboarding import OnboardingCase

DAY = date(2026, 3, 4)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestOnboardingCheck(OnboardingCase):
    """The daily check of many projects: in pieces, and at what price."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["saas.onboarding.document"].create(
            {
                "project_id": cls.migration.id,
                "name": "Data agreement",
                "saas_day_offset": 9,
                "reminder_days": 5,
            }
        )
        cls.env["project.task"].create(
            {
                "name": "Invite your people",
                "project_id": cls.migration.id,
                "saas_is_customer_task": True,
                "saas_day_offset": 9,
            }
        )
        cls.Project = cls.env["project.project"]
        cls.projects = cls.Project.browse()
        for _number in range(5):
            cls.projects += cls.start(cls.migration_product)

    def count_queries(self, day):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        with freeze_time(f"{day} 09:00:00"):
            self.Project._check_onboarding(day)
            self.env.flush_all()
        return self.env.cr.sql_log_count - before

    def count_prices(self):
        """Return the queries of a day without news, and of one that moves the plan."""
        self.count_queries(DAY)
        self.Project.search([("saas_order_id", "!=", False)]).saas_checked_on = False
        quiet = self.count_queries(DAY)
        return quiet, self.count_queries(DAY + timedelta(days=1))

    def test_price_grows_slowly(self):
        few = self.count_prices()
        for _number in range(10):
            self.start(self.migration_product)
        many = self.count_prices()
        self.assertLess((many[0] - few[0]) / 10, 8)
        # Here each project's forecast is written, and looked at by automation rules.
        self.assertLess((many[1] - few[1]) / 10, 50)

    def run_in_pieces(self, batches, locked=()):
        """Run the cron until nothing is left, a few batches each time.

        :param int batches: batches after which the time of a run is over
        :param locked: ids of projects somebody else changes
        :return: how often each project was checked, and the runs needed
        """
        cls, cron = type(self.projects), type(self.env["ir.cron"])
        check, lock, seen, runs = (
            cls._saas_check_day,
            cls.try_lock_for_update,
            Counter(),
            [],
        )

        def look(project, day):
            seen[project.id] += 1
            if project == self.projects[0]:
                raise UserError("broken plan")
            return check(project, day)

        def commit(_cron, processed=0, *, remaining=None, **_kwargs):
            if remaining is not None:
                runs.append({"left": remaining, "batches": 0})
                return 10.0
            runs[-1]["left"] -= processed
            runs[-1]["batches"] += 1
            return 10.0 if runs[-1]["batches"] < batches else 0.0

        def try_lock(projects, **kwargs):
            free = lock(projects, **kwargs)
            return free.filtered(lambda one: one.id not in locked)

        with (
            patch.object(cls, "_saas_check_day", look),
            patch.object(cls, "try_lock_for_update", try_lock),
            patch.object(cron, "_commit_progress", commit),
            patch.object(check_module, "BATCH_SIZE", 1),
        ):
            while (not runs or runs[-1]["left"]) and len(runs) < 50:
                self.Project._check_onboarding(DAY, commit=True)
        return seen, runs

    def test_interrupted_day_reaches_everybody_once(self):
        seen, runs = self.run_in_pieces(2)
        self.assertGreaterEqual(len(runs), 3)
        self.assertLess(len(runs), 50)
        self.assertEqual([seen[one.id] for one in self.projects], [1] * 5)
        self.assertEqual(set(seen.values()), {1})
        self.assertEqual(set(self.projects.mapped("saas_checked_on")), {DAY})
        self.assertEqual(self.projects[1].saas_assessed_on, DAY)
        failed = self.exceptions("onboarding.check_failed")
        self.assertEqual(failed.res_id, self.projects[0].id)

    def test_locked_projects_stop_nobody_and_come_first_tomorrow(self):
        locked = self.projects[:2]
        seen, runs = self.run_in_pieces(1, locked.ids)
        self.assertLess(len(runs), 50)
        self.assertEqual([seen[one.id] for one in self.projects], [0, 0, 1, 1, 1])
        self.assertFalse(any(locked.mapped("saas_checked_on")))
        self.Project._check_onboarding(DAY)
        self.assertEqual(set(self.projects.mapped("saas_checked_on")), {DAY})
