# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta, timezone
from itertools import count

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.saas_subscription_ops.tests.common_onboarding import OnboardingCase

from ..models.project_project_usage import BLOCKED
from .common import UsageFixture


@tagged("post_install", "-at_install")
class TestOnboardingUsage(OnboardingCase, UsageFixture):
    """The first event, or enough active users, do a step of the onboarding."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.numbers = count(1)
        cls.env["saas.usage.source"].create(
            {"name": "Web Log", "code": "weblog", "max_age_days": 3650}
        )
        cls.first = cls.create_meter("Requests", "requests", "count", company_id=False)
        cls.users = cls.create_meter(
            "Users", "users", "unique", "user", company_id=False
        )
        ready, live = cls.migration.milestone_ids.sorted("sequence")
        ready.saas_usage_meter_id = cls.first
        live.write(
            {
                "saas_usage_meter_id": cls.users.id,
                "saas_usage_quantity": 3,
                "saas_usage_span": "period",
            }
        )
        cls.migration.task_ids.filtered(
            lambda task: task.name == "Migration: prepare"
        ).saas_usage_meter_id = cls.first
        cls.now = datetime.now(timezone.utc)
        start = (cls.now - timedelta(days=40)).date()
        cls.project = cls.start(cls.migration_product, start=start)
        cls.calls.product_tmpl_id.saas_meter_id = cls.first
        cls.subscription = cls.create_subscription(
            [{"product_id": cls.calls.id}],
            date_start=start,
            tz="UTC",
            partner_id=cls.project.partner_id.id,
        )
        cls.tie("client-1", cls.subscription)

    def use(self, *users, days=0, subject="client-1"):
        """Take in an event of each user and count it, as the job does."""
        at = self.now - timedelta(days=days, minutes=1)
        self.ingest(
            [
                self.event(subject=subject, time=at.isoformat(), data={"user": user})
                for user in users
            ],
            at=self.now,
        )
        self.env["saas.usage.counting"]._count()

    def steps(self):
        return self.project.milestone_ids.sorted("sequence")

    def task(self):
        return self.project.task_ids.filtered(
            lambda task: task.name == "Migration: prepare"
        )

    def test_steps_come_from_the_template(self):
        ready, live = self.steps()
        self.assertEqual(ready.saas_usage_meter_id, self.first)
        self.assertEqual(
            (ready.saas_usage_quantity, ready.saas_usage_span), (1, "ever")
        )
        self.assertEqual(
            (live.saas_usage_quantity, live.saas_usage_span), (3, "period")
        )
        self.assertEqual(self.task().saas_usage_meter_id, self.first)

    def test_first_event_and_enough_users(self):
        ready, live = self.steps()
        self.use("anna")
        self.assertTrue(ready.is_reached)
        self.assertEqual(self.task().state, "1_done")
        self.assertFalse(live.is_reached)
        self.assertIn("Done by usage: 1", str(ready.message_ids.mapped("body")))
        self.assertIn(
            self.subscription.name, str(self.task().message_ids.mapped("body"))
        )
        self.use("anna", "bert")
        self.assertFalse(live.is_reached)
        self.use("carla")
        self.assertTrue(live.is_reached)

        # safe to repeat
        notes = len(ready.message_ids)
        self.use("dora")
        self.project.saas_complete_by_usage()
        self.assertEqual(len(ready.message_ids), notes)

    def test_users_of_an_earlier_period_do_not_count(self):
        self.use("anna", "bert", "carla", days=35)
        ready, live = self.steps()
        self.assertTrue(ready.is_reached)
        self.assertFalse(live.is_reached)

    def test_usage_of_others_does_nothing(self):
        other = self.create_subscription(
            [{"product_id": self.calls.id}],
            date_start=self.subscription.date_start,
            tz="UTC",
            partner_id=self.env["res.partner"].create({"name": "Other"}).id,
        )
        self.tie("client-2", other)
        self.use("anna", subject="client-2")
        self.assertFalse(self.steps()[0].is_reached)

    def test_a_required_document_is_named_and_retried(self):
        ready = self.steps()[0]
        document = self.env["saas.onboarding.document"].create(
            {
                "name": "Data agreement",
                "project_id": self.project.id,
                "milestone_id": ready.id,
                "is_required": True,
            }
        )
        self.use("anna")
        self.assertFalse(ready.is_reached)
        self.assertEqual(self.task().state, "1_done")
        [blocked] = self.project._saas_get_open_exceptions(BLOCKED)
        self.assertIn("Data agreement", blocked.name)
        self.use("bert")
        self.assertEqual(self.project._saas_get_open_exceptions(BLOCKED), blocked)
        with self.assertRaisesRegex(UserError, "Data agreement"):
            self.project.saas_retry_usage_milestones()
        document.is_required = False
        self.project.saas_retry_usage_milestones()
        self.assertTrue(ready.is_reached)
        self.assertFalse(self.project._saas_get_open_exceptions(BLOCKED))

    def test_a_step_that_fails_stops_nothing(self):
        """What is counted stays counted, and other steps are done."""
        ready = self.steps()[0]
        find = type(self.task())._saas_find_usage

        def fail(goal, subscriptions, now):
            if goal == self.task():
                raise ValueError("broken meter")
            return find(goal, subscriptions, now)

        self.patch(type(self.task()), "_saas_find_usage", fail)
        self.use("anna")
        self.assertFalse(self.env["saas.usage.counting"]._count_waiting())
        self.assertTrue(ready.is_reached)
        self.assertNotEqual(self.task().state, "1_done")
        [blocked] = self.project._saas_get_open_exceptions(BLOCKED)
        self.assertIn("broken meter", blocked.name)

    def test_the_daily_job_does_what_no_event_did(self):
        ready = self.steps()[0]
        ready.saas_usage_meter_id = False
        self.use("anna")
        self.assertFalse(ready.is_reached)
        ready.saas_usage_meter_id = self.first
        self.env["project.project"]._cron_complete_by_usage()
        self.assertTrue(ready.is_reached)

    def test_templates_and_other_projects_are_left_alone(self):
        self.use("anna")
        self.assertFalse(any(self.migration.milestone_ids.mapped("is_reached")))
        plain = self.project.copy({"name": "Plain", "saas_order_id": False})
        self.env["project.project"]._cron_complete_by_usage()
        self.assertFalse(any(plain.milestone_ids.mapped("is_reached")))

    def test_nothing_is_no_goal(self):
        with self.assertRaisesRegex(ValidationError, "above 0"):
            self.steps()[0].saas_usage_quantity = 0
