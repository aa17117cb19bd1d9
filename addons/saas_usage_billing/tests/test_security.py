# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import UsageCase

READ_ONLY = (
    "saas.usage.event",
    "saas.usage.batch",
    "saas.usage.control",
)
MASTER_DATA = ("saas.meter", "saas.usage.source", "saas.usage.price")


@tagged("post_install", "-at_install")
class TestSecurity(UsageCase):
    """Who may and who may not, in pairs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.price = cls.create_price()
        cls.ingest([cls.event(), cls.event(subject="nobody")])
        cls.quarantined = cls.env["saas.usage.quarantine"].search(
            [("company_id", "=", cls.company.id)]
        )
        cls.user = cls.new_user("usage_user", "user")
        cls.operator = cls.new_user("usage_operator", "billing_operator")
        cls.auditor = cls.new_user("usage_auditor", "auditor")
        cls.sender = cls.new_user("usage_integration", "integration")
        cls.clerk = cls.new_user("usage_clerk", "base.group_user")
        cls.env["saas.usage.control"]._control_intake(date.today())
        cls.env.flush_all()

    def record(self, model, user):
        records = {
            "saas.meter": self.calls_meter,
            "saas.usage.source": self.source,
            "saas.usage.price": self.price,
            "saas.usage.quarantine": self.quarantined,
        }
        return records[model].with_user(user)

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def assertForbidden(self, call):
        with self.assertRaises(AccessError):
            call()

    @staticmethod
    def as_of(user, records):
        """Return records as a user sees them in the companies of their own."""
        context = {"allowed_company_ids": user.company_ids.ids}
        return records.with_user(user).with_context(**context)

    def test_staff_reads_evidence_nobody_else_does(self):
        for model in (*READ_ONLY, *MASTER_DATA, "saas.usage.quarantine"):
            for user in (self.user, self.operator, self.auditor):
                self.assertTrue(self.env[model].with_user(user).search_count([]), model)
            for user in (self.sender, self.clerk):
                self.assertForbidden(
                    lambda model=model, user=user: (
                        self.env[model].with_user(user).search([])
                    )
                )

    def test_operators_maintain_master_data_others_do_not(self):
        for model in MASTER_DATA:
            self.record(model, self.operator).write({"active": True})
            for user in (self.user, self.auditor, self.sender):
                self.assertForbidden(
                    lambda model=model, user=user: self.record(model, user).write(
                        {"active": True}
                    )
                )
        tier = self.price.tier_ids[0]
        tier.with_user(self.operator).unit_price = 1
        self.assertForbidden(
            lambda: tier.with_user(self.auditor).write({"unit_price": 2})
        )

    def test_operators_decide_about_the_quarantine_others_do_not(self):
        for user in (self.user, self.auditor):
            for action in ("action_replay", "action_ignore"):
                row = self.record("saas.usage.quarantine", user)
                self.assertForbidden(getattr(row, action))
        self.record("saas.usage.quarantine", self.operator).action_ignore()
        self.assertEqual(self.quarantined.state, "ignored")

    def test_other_companies_see_nothing(self):
        company = self.create_company("Elsewhere")
        stranger = self.new_user("usage_elsewhere", "billing_operator", company)
        for model in (*READ_ONLY, "saas.usage.quarantine", "saas.usage.price"):
            records = self.as_of(stranger, self.env[model])
            self.assertFalse(records.search([]), model)
        self.assertForbidden(self.as_of(stranger, self.price).read)
        event = self.as_of(stranger, self.events_of())
        event.invalidate_recordset()
        self.assertForbidden(lambda: event.read(["subject"]))

    def test_shared_meters_are_seen_everywhere(self):
        company = self.create_company("Elsewhere")
        stranger = self.new_user("usage_elsewhere", "billing_operator", company)
        meters = self.as_of(stranger, self.env["saas.meter"])
        self.assertNotIn(self.calls_meter, meters.search([]))
        self.calls.product_tmpl_id.saas_meter_id = False
        self.price.unlink()
        self.calls_meter.company_id = False
        self.assertIn(self.calls_meter, meters.search([]))

    def test_customers_see_usage_on_their_pages_only(self):
        # Events hold what the product sent, with more in it than pages show.
        visitor = new_test_user(
            self.env,
            "portal_acme",
            groups="base.group_portal",
            partner_id=self.create_partner("Ann", parent_id=self.partner.id).id,
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        own = self.events_of().with_user(visitor)
        self.assertTrue(own)
        self.assertForbidden(lambda: own.read(["subject"]))
        for model in (*READ_ONLY, "saas.usage.quarantine", *MASTER_DATA):
            self.assertForbidden(
                lambda model=model: self.env[model].with_user(visitor).search([])
            )
