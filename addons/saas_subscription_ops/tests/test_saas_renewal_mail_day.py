# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.tests import tagged

from .common_renewal import RenewalCase

LATE = date(2027, 1, 10)  # 50 days before the end of the term
LAST = date(2027, 2, 28)


@tagged("post_install", "-at_install")
class TestRenewalMailDay(RenewalCase):
    """Much is due at once: after an upgrade, an outage, an import."""

    def set_steps(self, *steps):
        template = self.env.ref(
            "saas_subscription_ops.mail_template_saas_renewal_reminder"
        )
        offer = self.env["mail.template"].create(
            {
                "name": "Offer",
                "model_id": self.env["ir.model"]._get_id("sale.order"),
                "subject": "Your offer",
                "partner_to": "{{ object.partner_id.id }}",
            }
        )
        templates = {"remind": template.id, "quote": offer.id}
        self.expiring.renewal_step_ids = [
            Command.create(
                {
                    "days_before": days,
                    "action": action,
                    "summary": f"{action} {days}",
                    "mail_template_id": templates.get(action, False),
                }
            )
            for action, days in steps
        ]

    def mails(self):
        return self.env["mail.mail"].search(
            [("model", "in", ("saas.renewal", "sale.order"))]
        )

    def test_who_is_told_learns_only_the_latest(self):
        self.set_steps(
            ("opportunity", 120),
            ("activity", 120),
            ("remind", 110),
            ("activity", 60),
            ("remind", 55),
        )
        subscription = self.ending()
        before = self.mails()
        self.run_day(LATE, LATE)
        renewal = subscription.renewal_ids
        self.assertEqual(
            self.results(renewal),
            {
                ("opportunity", 120): "done",
                ("activity", 120): "skipped",
                ("remind", 110): "skipped",
                ("activity", 60): "done",
                ("remind", 55): "done",
            },
        )
        passed = renewal.step_log_ids.filtered(lambda log: log.result == "skipped")
        self.assertEqual(
            set(passed.mapped("note")), {"Passed over: a later one was due as well"}
        )
        self.assertEqual(len(self.mails() - before), 1)
        self.assertEqual(renewal.lead_id.activity_ids.summary, "activity 60")

    def test_offer_is_not_followed_by_a_reminder_on_its_day(self):
        self.set_steps(("quote", 90), ("remind", 60))
        subscription = self.ending()
        before = self.mails()
        self.run_day(LATE, LATE)
        self.assertEqual(
            self.results(subscription.renewal_ids),
            {("quote", 90): "done", ("remind", 60): "skipped"},
        )
        self.assertEqual((self.mails() - before).mapped("subject"), ["Your offer"])

    def test_an_offer_of_an_earlier_day_holds_no_reminder_back(self):
        self.set_steps(("quote", 90), ("remind", 60))
        subscription = self.ending()
        order = subscription._create_renewal_quote()
        order.action_quotation_sent()
        before = self.mails()
        self.run_day(LATE, LATE)
        self.assertEqual(
            self.results(subscription.renewal_ids),
            {("quote", 90): "skipped", ("remind", 60): "done"},
        )
        self.assertEqual(subscription.renewal_ids.order_id, order)
        self.assertEqual((self.mails() - before).mapped("model"), ["saas.renewal"])

    def test_contracts_of_a_contact_take_turns_by_the_day(self):
        self.set_steps(("remind", 60))
        first, second = self.ending(), self.ending()
        before, told = self.mails(), []
        for day in (LATE, date(2027, 1, 11), date(2027, 1, 12)):
            self.run_day(day, day)
            told.append(len(self.mails() - before))
        self.assertEqual(told, [1, 2, 2])
        for renewal in (first | second).renewal_ids:
            self.assertEqual(self.results(renewal), {("remind", 60): "done"})

    def test_nobody_is_told_too_late(self):
        self.set_steps(("remind", 1))
        contracts = self.ending() | self.ending()
        self.run_day(LAST)
        for renewal in contracts.renewal_ids:
            self.assertEqual(self.results(renewal), {("remind", 1): "done"})
