# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from lxml import etree

from odoo import Command
from odoo.exceptions import AccessError
from odoo.modules.migration import load_script
from odoo.tests import freeze_time, tagged
from odoo.tools import file_path

from .common_onboarding import OnboardingCase

PDF = b"%PDF-1.4 what it costs"
AMOUNTS = ("monetary", "html", "json")
#: Settings of plans, no customer's amounts.
SETTINGS = {
    ("res.company", "saas_usage_floor"),
    ("saas.plan", "approval_credit_limit"),
    ("saas.plan", "description"),
}


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestOnboardingAmounts(OnboardingCase):
    """Who delivers learns no amount from what the suite adds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.create_order([(cls.platform, 1), (cls.migration_product, 1)])
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        cls.order.saas_signed_attachment_id = cls.env["ir.attachment"].create(
            {
                "name": "signed.pdf",
                "raw": PDF,
                "res_model": "sale.order",
                "res_id": cls.order.id,
            }
        )
        cls.order._saas_share_signed_pdf()
        cls.signed = cls.project.saas_signed_attachment_ids

    # Everything there is -----------------------------------------------
    def get_amounts(self, env):
        """Return the fields of the suite a user may read that could tell amounts."""
        result = set()
        for name, model in env.items():
            if model._abstract or model._transient or not model.has_access("read"):
                continue
            result |= {
                (name, field.name)
                for field in model._fields.values()
                if field.type in AMOUNTS
                and (name.startswith("saas.") or field.name.startswith("saas_"))
                and model._has_field_access(field, "read")
            }
        return result - SETTINGS

    def test_no_field_of_the_suite_tells_delivery_an_amount(self):
        self.assertFalse(self.get_amounts(self.env(user=self.delivery)))
        for user in (self.salesperson, self.finance):
            found = self.get_amounts(self.env(user=user))
            self.assertIn(("sale.order", "saas_tcv"), found)

    def test_orders_open_for_delivery_without_what_the_suite_adds(self):
        quote = self.order.saas_subscription_ids._create_quote(
            "amendment", self.order.saas_start_date
        )
        for order in (self.order, quote):
            own = order.with_user(self.delivery)
            arch = etree.fromstring(own.get_view(view_type="form")["arch"])
            names = {node.get("name") for node in arch.iter("field")}
            # Odoo's own form asks for invoices as well, which is not ours to mend.
            names = {name for name in names if name in own._fields}
            names = {name for name in names if name.startswith("saas_")}
            self.assertNotIn("saas_tcv", names)
            self.assertIn("saas_plan_id", names)
            self.assertTrue(own.read(sorted(names)))
            lines = own.order_line
            self.assertTrue(lines.read(["saas_problem", "saas_recurrence_label"]))
            with self.assertRaises(AccessError):
                own.read(["saas_tcv"])

    # The signed document ------------------------------------------------
    def test_signed_document_is_for_those_who_know_prices(self):
        self.assertEqual(self.signed.raw, PDF)
        Attachment = self.env["ir.attachment"]
        domain = [("res_model", "=", "project.project"), ("id", "=", self.signed.id)]
        manager = self.new_user("sub_boss", "project.group_project_manager")
        for user in (self.delivery, manager):
            with self.subTest(user.login):
                self.assertTrue(self.project.with_user(user).read(["name"]))
                self.assertFalse(Attachment.with_user(user).search(domain))
                with self.assertRaises(AccessError):
                    self.signed.with_user(user).read(["raw"])
                with self.assertRaises(AccessError):
                    self.project.with_user(user).read(["saas_signed_attachment_ids"])
        self.salesperson.group_ids = [
            Command.link(self.env.ref("project.group_project_user").id)
        ]
        for user in (self.salesperson, self.csm):
            with self.subTest(user.login):
                seen = self.project.with_user(user).saas_signed_attachment_ids
                self.assertEqual(seen.raw, PDF)

    def test_upgrade_ties_older_copies_to_the_field(self):
        self.signed.res_field = False
        self.env.flush_all()
        path = file_path(
            "saas_subscription_ops/migrations/19.0.1.2.1/post-migration.py"
        )
        load_script(path, "saas_post_migration").migrate(self.cr, "19.0.1.2.0")
        self.env.invalidate_all()
        self.assertEqual(self.project.saas_signed_attachment_ids, self.signed)
