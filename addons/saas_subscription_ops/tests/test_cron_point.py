# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import Counter
from datetime import date
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common import SubscriptionCase

DAY = date(2026, 3, 4)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-04 09:00:00")
class TestCronPoint(SubscriptionCase):
    """Daily jobs whose time is over go on behind what had its turn."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contracts = cls.env["saas.subscription"].browse()
        for _number in range(4):
            cls.contracts += cls.create_subscription()
        cls.cron = cls.env.ref(
            "saas_subscription_ops.ir_cron_saas_subscription_process_lifecycle"
        )

    def run_job(self, work, model):
        """Run a job with time for one record, as often as the scheduler would.

        :param work: callable, gets the model with the run's progress
        :return: number of runs
        """
        cron = type(self.env["ir.cron"])

        def commit(env_cron, processed=0, *, remaining=None, **_kwargs):
            progress = self.env["ir.cron.progress"].browse(
                env_cron.env.context["ir_cron_progress_id"]
            )
            if remaining is None:
                remaining = max(progress.remaining - processed, 0)
            progress.remaining = remaining
            return 0.0 if processed else 10.0

        with patch.object(cron, "_commit_progress", commit):
            for run in range(1, 60):
                _cron, progress = self.cron.with_context(
                    cron_id=self.cron.id
                )._add_progress()
                work(
                    model.with_context(
                        cron_id=self.cron.id, ir_cron_progress_id=progress.id
                    )
                )
                if not progress.remaining:
                    return run
        return None

    def test_failing_contract_comes_up_once_per_job(self):
        Subscription = self.env["saas.subscription"]
        seen = Counter()

        def fail(subscription, day):
            seen[subscription.id] += 1
            raise UserError("broken")

        with (
            patch.object(type(Subscription), "_do_advance_to", fail),
            patch.object(
                type(Subscription),
                "_get_lifecycle_domain",
                lambda _model, _day: [("id", "in", self.contracts.ids)],
            ),
        ):
            runs = self.run_job(
                lambda model: model._process_lifecycle(DAY, commit=True), Subscription
            )
        self.assertTrue(runs)
        self.assertEqual(seen, Counter(self.contracts.ids))

    def test_stages_that_do_not_shrink_are_gone_through(self):
        Renewal = self.env["saas.renewal"]
        cls, seen = type(Renewal), Counter()

        def stage(name):
            def work(model, day, point):
                return model._each(
                    self.contracts.sudo().with_env(model.env),
                    lambda one: seen.update([(name, one.id)]),
                    point,
                )

            return work

        names = ("_settle_ended", "_open_windows", "_take_due_steps", "_watch_notices")
        with (
            patch.multiple(cls, **{name: stage(name) for name in names}),
            patch.object(cls, "_flag_undecided", stage("flag")),
            patch.object(cls, "_forecast_day", stage("forecast")),
        ):
            runs = self.run_job(
                lambda model: model._process_renewals(DAY, commit=True), Renewal
            )
            self.assertTrue(runs)
            wanted = [*names, "flag", "forecast"]
            self.assertEqual(
                seen,
                Counter((name, one) for name in wanted for one in self.contracts.ids),
            )
            # All had their turn: the next run begins anew.
            Renewal._process_renewals(DAY)
        self.assertEqual(set(seen.values()), {2})
