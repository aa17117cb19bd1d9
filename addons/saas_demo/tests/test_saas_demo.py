# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import AccessError
from odoo.service.model import get_public_method
from odoo.tests import TransactionCase, tagged
from odoo.tools import convert_file

from odoo.addons.saas_demo.hooks import pre_init_hook, uninstall_hook

ROLES = {
    "sales": "sales_team.group_sale_salesman",
    "subscription_manager": "saas_core.group_saas_core_subscription_manager",
    "billing_operator": "saas_core.group_saas_core_billing_operator",
    "billing_approver": "saas_core.group_saas_core_billing_approver",
    "support_agent_1": "saas_core.group_saas_core_support_agent",
    "support_agent_2": "saas_core.group_saas_core_support_agent",
    "support_lead": "saas_core.group_saas_core_support_lead",
    "csm": "saas_core.group_saas_core_customer_success",
    "engineer": "saas_core.group_saas_core_user",
    "administrator": "saas_core.group_saas_core_administrator",
    "auditor": "saas_core.group_saas_core_auditor",
    "integration": "saas_core.group_saas_core_integration",
    "customer": "base.group_portal",
}
COUNTED = (
    "res.company",
    "res.users",
    "res.partner",
    "crm.lead",
    "product.template",
    "saas.plan",
    "saas.meter",
    "saas.usage.price",
    "saas.usage.price.tier",
    "saas.usage.source",
    "saas.usage.mapping",
    "saas.usage.mapping.sample",
    "project.project",
    "project.task",
    "project.milestone",
    "helpdesk.ticket.team",
    "mail.alias",
    "mail.alias.domain",
    "saas.sla.policy",
    "saas.sla.policy.target",
    "account.account",
    "account.journal",
    "sale.order",
    "saas.onboarding.document",
    "saas.subscription",
    "saas.charge",
    "saas.renewal",
    "saas.event",
)


@tagged("post_install", "-at_install")
class TestSaasDemo(TransactionCase):
    """The demo company is complete, and setting it up again changes nothing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.demo = cls.env["saas.demo"]
        cls.company = cls.env.ref("saas_demo.company_northwind")

    def _count(self):
        return {model: self.env[model].search_count([]) for model in COUNTED}

    def test_setting_up_again_changes_nothing(self):
        before = self._count()
        self.company.name = "Renamed by somebody"
        self.demo._prepare_company()
        self.demo._prepare_targets()
        self.demo._prepare_change_product()
        self.demo._prepare_contracts()
        self.demo._prepare_onboardings()
        self.assertEqual(self._count(), before)
        self.assertEqual(self.company.name, "Renamed by somebody")

    def test_loading_the_data_again_changes_nothing(self):
        before = self._count()
        manifest = self.env["ir.module.module"].get_module_info("saas_demo")
        for name in manifest["data"]:
            convert_file(self.env, "saas_demo", name, None, mode="update")
        self.assertEqual(self._count(), before)

    def test_company_can_invoice_and_get_mail(self):
        self.assertTrue(self.company.chart_template)
        self.assertTrue(self.company.alias_domain_id)
        team = self.env.ref("saas_demo.helpdesk_ticket_team_support")
        self.assertEqual(
            team.alias_id.display_name, f"support@{self.company.alias_domain_id.name}"
        )

    def test_a_used_first_company_is_left_alone(self):
        main = self.env.ref("base.main_company")
        main.name = "Somebody's Company"
        made = self.demo._take_company()
        self.assertNotEqual(made, main)
        self.assertEqual(main.name, "Somebody's Company")
        self.demo._prepare_mail_domain(made)
        self.demo._prepare_chart(made)
        self.assertTrue(made.chart_template)
        self.assertIn(made, self.env.ref("base.user_admin").company_ids)

    def test_there_is_one_person_per_role(self):
        users = self.demo._get_users()
        self.assertEqual(set(users), set(ROLES))
        for role, group in ROLES.items():
            with self.subTest(role=role):
                self.assertTrue(users[role].has_group(group))

    def test_nobody_approves_what_they_prepare(self):
        users = self.demo._get_users()
        approver = "saas_core.group_saas_core_billing_approver"
        self.assertFalse(users["billing_operator"].has_group(approver))

    def test_the_feed_may_do_nothing_but_send(self):
        feed = self.demo._get_users()["integration"]
        self.assertFalse(feed.has_group("base.group_user"))
        with self.assertRaises(AccessError):
            self.env["saas.subscription"].with_user(feed).check_access("read")

    def test_customers_are_numbered_without_a_gap(self):
        accounts = self.env["res.partner"].search(
            [("ref", "=like", "C__"), ("is_company", "=", True)], order="ref"
        )
        self.assertEqual(accounts.mapped("ref"), [f"C{n:02d}" for n in range(12)])
        self.assertTrue(all(accounts.mapped("saas_support_tier_id")))
        self.assertTrue(all(len(account.child_ids) == 2 for account in accounts))

    def test_onboarding_template_has_roles_and_offsets(self):
        for name in ("onboarding", "migration"):
            with self.subTest(template=name):
                template = self.env.ref(f"saas_demo.project_template_{name}")
                self.assertTrue(template.is_template)
                self.assertTrue(all(task.role_ids for task in template.task_ids))
                self.assertTrue(all(t.saas_day_offset for t in template.task_ids))
                self.assertEqual(len(template.milestone_ids), 2)
                self.assertTrue(template.saas_document_ids)
                self.assertEqual(
                    set(template.saas_document_ids.mapped("state")), {"draft"}
                )

    def test_the_mapping_of_the_workflow_engine_reads_its_sample(self):
        mapping = self.env.ref("saas_demo.saas_usage_mapping_workflow")
        self.assertTrue(mapping.active)
        self.assertEqual(mapping.sample_ids.mapped("is_ok"), [True])

    def test_prepaid_credit_and_metered_work_are_sold(self):
        credit = self.env.ref("saas_demo.product_prepaid_credit")
        minutes = self.env.ref("saas_demo.product_workflow_minutes")
        self.assertTrue(credit.saas_wallet_credit)
        self.assertEqual(minutes.saas_meter_id.dimension_ids.mapped("key"), ["region"])
        plan = self.env.ref("saas_demo.saas_plan_metered")
        self.assertEqual(plan.usage_correction, "own_document")

    def test_targets_somebody_changed_are_kept(self):
        kpi = self.env["saas.kpi"].search([("code", "=", "mrr")])
        kpi.target = 12345.0
        self.demo._prepare_targets()
        self.assertEqual(kpi.target, 12345.0)

    def test_access_is_issued_to_the_people_and_the_feed(self):
        access = self.demo._issue_access("a-long-password")
        self.assertEqual(set(access["users"]), set(ROLES) - {"integration"})
        keys = self.env["res.users.apikeys"]
        feed = self.demo._get_users()["integration"]
        self.assertEqual(
            keys._check_credentials(scope="rpc", key=access["usage_key"]), feed.id
        )
        again = self.demo._issue_access("a-long-password")
        self.assertNotEqual(again["usage_key"], access["usage_key"])
        self.assertEqual(keys.search_count([("user_id", "=", feed.id)]), 1)

    def test_nobody_reaches_the_set_up_over_rpc(self):
        names = ("_issue_access", "_prepare_company", "_prepare_targets")
        for name in (*names, "_prepare_contracts", "_prepare_onboardings"):
            with self.subTest(method=name), self.assertRaises(AccessError):
                get_public_method(self.demo, name)

    def test_uninstalling_keeps_the_records(self):
        partner = self.env.ref("saas_demo.partner_aurora")
        uninstall_hook(self.env)
        self.assertTrue(partner.exists())
        self.assertTrue(self.company.exists())
        self.assertFalse(
            self.env.ref("saas_demo.partner_aurora", raise_if_not_found=False)
        )
        self.assertTrue(self.env.ref("saas_demo.model_saas_demo"))
        pre_init_hook(self.env)
        self.assertEqual(self.env.ref("saas_demo.partner_aurora"), partner)
