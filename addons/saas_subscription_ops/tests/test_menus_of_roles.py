# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import Form, TransactionCase, new_test_user, tagged

from .common import ROLE

#: What people find in the app they work in, without any role of the suite.
MENUS = {
    "account.group_account_invoice": ("milestone_billing_menu_invoicing",),
    "project.group_project_user": (
        "onboarding_menu_project_board",
        "onboarding_menu_project_timeline",
        "handover_menu_project",
        "change_request_menu_project",
        "onboarding_document_menu_project",
        "onboarding_alert_menu_project",
        "onboarding_wait_menu_project",
    ),
    "sales_team.group_sale_salesman": (
        "handover_menu_sales",
        "change_request_menu_sales",
        "renewal_menu_sales",
    ),
    f"{ROLE}auditor": (
        "onboarding_menu",
        "onboarding_menu_timeline",
        "onboarding_alert_menu",
        "onboarding_document_menu",
        "onboarding_wait_menu",
        "milestone_billing_menu",
        "handover_menu",
        "renewal_menu",
        "renewal_snapshot_menu",
    ),
}


@tagged("post_install", "-at_install")
class TestMenusOfRoles(TransactionCase):
    """Everybody finds their part of onboarding and renewals."""

    def get_user(self, group):
        return new_test_user(self.env, group.rpartition(".")[2], group)

    def test_each_role_finds_its_screens(self):
        for group, names in MENUS.items():
            user = self.get_user(group)
            seen = self.env["ir.ui.menu"].with_user(user)._visible_menu_ids()
            for name in names:
                menu = self.env.ref(f"saas_subscription_ops.saas_{name}")
                with self.subTest(group=group, menu=name):
                    while menu:
                        self.assertIn(menu.id, seen)
                        menu = menu.parent_id

    def test_auditor_opens_board_and_timeline(self):
        auditor = self.get_user(f"{ROLE}auditor")
        Project = self.env["project.project"].with_user(auditor)
        own = Project.fields_get(attributes=["type"])
        self.assertIn("saas_health_reason", own)
        action = self.env.ref("saas_subscription_ops.saas_onboarding_action")
        for kind in action.view_mode.split(","):
            shown = Project.get_view(view_type=kind)["models"]["project.project"]
            Project.search_read([], [*set(shown) & set(own)], limit=1)
        self.assertIn("count", Project.saas_get_timeline({}))

    def test_expansion_is_linked_to_its_subscription_on_screen(self):
        seller = self.get_user("sales_team.group_sale_salesman")
        lead = self.env["crm.lead"].create(
            {"name": "More seats", "type": "opportunity", "user_id": seller.id}
        )
        with Form(lead.with_user(seller)) as form:
            self.assertTrue(form._get_modifier("saas_subscription_ids", "invisible"))
            form.saas_lead_kind = "expansion"
            self.assertFalse(form._get_modifier("saas_subscription_ids", "invisible"))
        self.assertEqual(lead.saas_lead_kind, "expansion")
