# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.queue_job.tests.common import trap_jobs

from ..models import saas_usage_simulation
from ..models.usage_drafts import DRAFTS
from .common import UsageCase

MAY = date(2026, 5, 1)


@tagged("post_install", "-at_install")
class TestSimulation(UsageCase):
    """What real usage would have cost with draft prices, before they bill."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.price = cls.create_price(model="standard", unit_price=1)
        cls.create_price(cls.traffic, model="standard", unit_price=0)
        cls.second = cls.create_subscription(cls.create_partner("Beta Ltd"))
        cls.tie("client-2", cls.second)
        cls.store(10, "2026-03-10")
        cls.store(20, "2026-04-10")
        cls.store(200, "2026-03-11", "client-2")
        action = cls.price.action_new_version(date(2026, 6, 1))
        cls.draft = cls.env["saas.usage.price"].browse(action["res_id"])
        cls.draft.write({"unit_price": 2, "maximum_amount": 100})

    def simulate(self, **vals):
        """Return a simulation that ran."""
        simulation = self.create_simulation(**vals)
        with trap_jobs() as trap:
            simulation.action_run()
            while trap.enqueued_jobs:
                jobs = list(trap.enqueued_jobs)
                trap.enqueued_jobs.clear()
                for job in jobs:
                    job.perform()
        return simulation

    def create_simulation(self, **vals):
        return self.env["saas.usage.simulation"].create(
            {
                "name": "Twice the price",
                "company_id": self.company.id,
                "date_from": date(2026, 3, 1),
                "date_to": MAY,
                "price_ids": self.draft.ids,
                **vals,
            }
        )

    def result(self, simulation):
        return {
            (line.subscription_id, line.date_start.month): (
                line.quantity,
                line.current_amount,
                line.simulated_amount,
                line.difference,
            )
            for line in simulation.line_ids
        }

    def test_past_months_are_rated_with_the_draft(self):
        simulation = self.simulate()
        self.assertEqual(simulation.state, "done")
        self.assertEqual(
            self.result(simulation),
            {
                (self.subscription, 3): (10, 10, 20, 10),
                (self.subscription, 4): (20, 20, 40, 20),
                (self.second, 3): (200, 200, 100, -100),
            },
        )
        self.assertEqual(
            (simulation.current_total, simulation.simulated_total), (230, 160)
        )
        # Nothing bills, and nothing was written but the result.
        self.env.cr.cache.pop("saas_usage_billing", None)
        charges = self.subscription._get_proposed_charges(MAY)
        self.assertEqual(
            {charge.details["price_id"] for charge in charges if charge.amount},
            {self.price.id},
        )
        self.assertEqual(self.draft.state, "draft")
        self.assertFalse(self.subscription.charge_ids)

    def test_jobs_go_on_where_the_last_one_ended(self):
        with patch.object(saas_usage_simulation, "CHUNK", 1):
            simulation = self.simulate()
        self.assertEqual((simulation.state, simulation.line_count), ("done", 3))
        # A job that comes twice, or belongs to an earlier run, adds nothing.
        simulation._job_simulate(simulation.run_number, 0)
        simulation.action_reset()
        with trap_jobs() as trap:
            simulation.action_run()
            simulation._job_simulate(simulation.run_number - 1, 0)
            self.assertFalse(simulation.line_count)
            trap.enqueued_jobs[0].perform()
        self.assertEqual(simulation.line_count, 3)

    def test_scope(self):
        simulation = self.simulate(partner_ids=self.second.partner_id.ids)
        self.assertEqual(simulation.line_ids.subscription_id, self.second)
        other = self.env["saas.plan"].create(
            {"name": "Other", "company_id": self.company.id}
        )
        self.assertFalse(self.simulate(plan_ids=other.ids).line_ids)
        april = self.simulate(date_from=date(2026, 4, 1))
        self.assertEqual(april.line_ids.subscription_id, self.subscription)

    def test_a_draft_that_leaves_usage_unpriced_is_said(self):
        region = self.env["saas.meter.dimension"].create(
            {"meter_id": self.calls_meter.id, "key": "region", "name": "Region"}
        )
        self.env["saas.usage.price.match"].create(
            {"price_id": self.draft.id, "dimension_id": region.id, "value": "eu"}
        )
        simulation = self.simulate()
        self.assertEqual(simulation.problem_count, 3)
        self.assertIn("Region none", simulation.line_ids[0].problem)

    def test_publish(self):
        simulation = self.create_simulation()
        with self.assertRaises(UserError) as caught:
            simulation.action_publish()
        self.assertIn("first", caught.exception.args[0])
        simulation = self.simulate()
        self.draft.date_start = date(2026, 3, 1)
        self.subscription._book_history(MAY, "elsewhere")
        with self.assertRaises(UserError) as caught:
            simulation.action_publish()
        # of both subscriptions
        self.assertIn("2 periods", caught.exception.args[0])
        simulation.is_correction = True
        simulation.action_publish()
        self.assertIn("Twice the price", self.draft.correction_reason)
        self.assertEqual((simulation.state, self.draft.state), ("published",) * 2)
        due = self.subscription._get_unbooked_charges(MAY)
        self.assertEqual([charge.amount for charge in due], [10, 20])
        # What was simulated is what is billed.
        self.env.cr.cache.pop("saas_usage_billing", None)
        billed = self.second._get_proposed_charges(MAY)
        self.assertEqual([one.amount for one in billed if one.amount], [100])

    def test_bad_input_is_refused(self):
        action = self.price.action_new_version(date(2026, 7, 1))
        with self.assertRaises(ValidationError):
            self.create_simulation(price_ids=[self.draft.id, action["res_id"]])
        simulation = self.create_simulation(price_ids=self.price.ids)
        with self.assertRaises(UserError):
            simulation.action_run()
        simulation = self.simulate()
        with self.assertRaises(UserError):
            simulation.date_to = date(2026, 6, 1)

    def test_drafts_of_a_caller_never_bill(self):
        mine = self.subscription.with_context(**{DRAFTS: self.draft.ids})
        charges = mine._get_proposed_charges(MAY)
        self.assertEqual([one.amount for one in charges if one.amount], [10, 20])

    def test_roles(self):
        operator = self.new_user("sop", "billing_operator")
        auditor = self.new_user("sau", "auditor")
        simulation = self.simulate()
        self.assertTrue(simulation.with_user(auditor).line_ids[0].current_amount)
        for action in ("action_run", "action_reset", "action_publish"):
            with self.assertRaises(AccessError):
                getattr(simulation.with_user(auditor), action)()
        with self.assertRaises(AccessError):
            simulation.line_ids[0].with_user(operator).current_amount = 1
        simulation.with_user(operator).action_publish()
        stranger = self.new_user("sst", "auditor", self.create_company("Far Ltd"))
        with self.assertRaises(AccessError):
            simulation.with_user(stranger).read(["name"])
