# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime

from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestForgedContext(OnboardingCase):
    """A context sent over RPC switches nothing off."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project = cls.start(cls.migration_product)
        cls.forged = {"saas_planning": True}

    def test_agreed_go_live_stays_the_deadline_of_its_milestone(self):
        manager = self.new_user("sub_boss", "project.group_project_manager")
        project = self.project.with_user(manager).with_context(**self.forged)
        project.saas_go_live_planned = date(2026, 5, 4)
        live = self.milestone(self.project, "Migration live")
        self.assertEqual(live.deadline, date(2026, 5, 4))

    def test_changed_tasks_and_milestones_are_forecast(self):
        task = self.task(self.project, "Migration: move")
        task = task.with_user(self.delivery).with_context(**self.forged)
        task.date_deadline = datetime(2026, 6, 1, 15)
        self.assertEqual(self.project.saas_go_live_predicted, date(2026, 6, 1))
        live = self.milestone(self.project, "Migration live")
        live = live.with_user(self.delivery).with_context(**self.forged)
        live.deadline = date(2026, 6, 8)
        self.assertEqual(self.project.saas_go_live_predicted, date(2026, 6, 8))
