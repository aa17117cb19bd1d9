# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..exceptions import HandoverError
from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestForgedDefaults(SubscriptionCase):
    """Whoever calls chooses the context: it must open no door the values don't."""

    def test_a_run_is_not_born_approved(self):
        run = (
            self.env["saas.billing.run"]
            .with_user(self.operator)
            .with_context(
                default_state="approved",
                default_approved_by_id=self.approver.id,
                default_approved_at="2026-03-01 10:00:00",
            )
            .create(
                {
                    "company_id": self.company.id,
                    "date_cutoff": date(2026, 4, 1),
                    "date_invoice": date(2026, 4, 1),
                }
            )
        )
        self.assertEqual(run.state, "draft")
        self.assertFalse(run.approved_by_id)

    def test_stored_defaults_open_no_door_either(self):
        Default = self.env["ir.default"].with_user(self.operator)
        Default.set("saas.billing.run", "state", "approved", user_id=True)
        Default.set("saas.billing.run", "refuse_reason", "None", user_id=True)
        run = self.create_run(date(2026, 4, 1))
        self.assertEqual(run.create_uid, self.operator)
        self.assertEqual((run.state, run.refuse_reason), ("draft", False))

    def test_lines_of_a_run_are_not_born_decided(self):
        self.create_subscription()
        run = self.create_run(date(2026, 4, 1)).with_user(self.operator)
        run.with_context(default_state="ok", default_reason="Fine").action_compute()
        plain = self.create_run(date(2026, 4, 1)).with_user(self.operator)
        plain.action_compute()
        self.assertEqual(run.line_ids.mapped("state"), plain.line_ids.mapped("state"))
        self.assertEqual(run.line_ids.mapped("reason"), plain.line_ids.mapped("reason"))

    def test_a_subscription_is_not_born_active(self):
        subscription = (
            self.env["saas.subscription"]
            .with_user(self.manager)
            .with_context(default_state="active")
            .create(
                {
                    "partner_id": self.partner.id,
                    "plan_id": self.plan.id,
                    "date_start": date(2026, 3, 2),
                }
            )
        )
        self.assertEqual(subscription.state, "draft")

    def test_an_amendment_is_not_born_approved(self):
        subscription = self.create_subscription()
        amendment = (
            self.env["saas.amendment"]
            .with_user(self.manager)
            .with_context(
                default_state="scheduled", default_approved_by_id=self.approver.id
            )
            .create({"subscription_id": subscription.id, "kind": "cancel"})
        )
        self.assertEqual(amendment.state, "draft")
        self.assertFalse(amendment.approved_by_id)

    def test_refusals_name_the_fields_and_the_cure(self):
        amendment = self.create_subscription().cancel(confirm=False)
        run = self.create_run(date(2026, 4, 1))
        schedule = self.env["saas.billing.schedule"].create(
            {"name": "Monthly", "date_start": date(2026, 4, 1)}
        )
        project = self.env["project.project"].create({"name": "Any"})
        document = self.env["saas.onboarding.document"].create(
            {"project_id": project.id, "name": "Contract"}
        )
        for record, user, vals, words in (
            (amendment, self.manager, {"mrr_after": 1}, "MRR After.*Confirm"),
            (amendment, self.manager, {"state": "draft"}, "State.*Confirm"),
            (run, self.operator, {"refused_at": False}, "Refused.*Compute"),
            (schedule, self.operator, {"date_done": False}, "Last Run.*Approve"),
            (document, self.csm, {"reminder_count": 0}, "Reminders.*Request"),
        ):
            with self.subTest(model=record._name, vals=vals):
                with self.assertRaisesRegex(AccessError, words):
                    record.with_user(user).write(vals)

    def test_a_form_sends_defaults_along(self):
        vals = {
            "subscription_id": self.create_subscription().id,
            "kind": "cancel",
            "state": "draft",
            "source": "staff",
            "is_early": False,
        }
        Amendment = self.env["saas.amendment"].with_user(self.manager)
        self.assertEqual(Amendment.create(vals).source, "staff")
        with self.assertRaises(AccessError):
            Amendment.create({**vals, "source": "portal"})

    def test_exceptions_are_not_born_resolved(self):
        subscription = self.create_subscription()
        raised = subscription.with_context(default_state="resolved")._saas_raise(
            "subscription.lifecycle_failed", "It failed"
        )
        self.assertEqual(raised.state, "open")

    def test_documents_requests_and_handovers_begin_at_the_beginning(self):
        project = self.env["project.project"].create({"name": "Any"})
        cases = (
            ("saas.onboarding.document", {"name": "Contract"}, "accepted"),
            ("saas.change.request", {"name": "More"}, "accepted"),
        )
        for model, vals, state in cases:
            with self.subTest(model=model):
                record = (
                    self.env[model]
                    .with_user(self.csm)
                    .with_context(default_state=state)
                    .create({"project_id": project.id, **vals})
                )
                self.assertEqual(record.state, "draft")

    def test_a_taken_over_handover_gets_no_contact_by_default(self):
        lead = self.env["crm.lead"].create(
            {"name": "Deal", "type": "opportunity", "partner_id": self.partner.id}
        )
        handover = self.env["saas.handover"].create({"lead_id": lead.id})
        handover.sudo().state = "taken_over"
        contacts = self.env["saas.handover.contact"].with_user(self.csm)
        for context, vals in (
            ({}, {"handover_id": handover.id}),
            ({"default_handover_id": handover.id}, {}),
        ):
            with self.subTest(context=context), self.assertRaises(HandoverError):
                contacts.with_context(**context).create(
                    {"partner_id": self.partner.id, **vals}
                )
