# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo import Command
from odoo.tests import TransactionCase, new_test_user

ROLE = "saas_core.group_saas_core_"
# Logins and groups of the people of every test.
PEOPLE = {
    "sub_sales": "sales_team.group_sale_salesman",
    "sub_subscription_manager": f"{ROLE}subscription_manager",
    "sub_billing_operator": f"{ROLE}billing_operator",
    "sub_billing_approver": f"{ROLE}billing_approver",
    "sub_auditor": f"{ROLE}auditor",
    "sub_customer_success": f"{ROLE}customer_success,project.group_project_user",
}
# What charts of accounts there are, which takes as long as to load one.
CHARTS = {}


class SubscriptionCase(TransactionCase):
    """A company of its own with a chart of accounts, products, a template and roles."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create(
            {"name": "Cloud Test Ltd", "currency_id": cls.env.ref("base.EUR").id}
        )
        cls.env.ref("base.EUR").active = True
        cls.load_chart()
        cls.company.currency_id = cls.env.ref("base.EUR")
        cls.env.user.write({"company_ids": [Command.link(cls.company.id)]})
        cls.env = cls.env(
            context=dict(
                cls.env.context,
                tracking_disable=True,
                no_reset_password=True,
                allowed_company_ids=cls.company.ids,
            )
        )
        cls.company = cls.company.with_env(cls.env)
        (
            cls.salesperson,
            cls.manager,
            cls.operator,
            cls.approver,
            cls.auditor,
            cls.csm,
        ) = cls.new_users(PEOPLE)
        cls.tier = cls.env["saas.support.tier"].search([], limit=1) or cls.env[
            "saas.support.tier"
        ].create({"name": "Premium", "code": "premium_test"})
        cls.partner = cls.env["res.partner"].create(
            {
                "name": "Acme GmbH",
                "is_company": True,
                "email": "acme@example.com",
                "saas_csm_id": cls.csm.id,
            }
        )
        cls.template = cls.create_template()
        cls.plan = cls.create_plan()
        cls.platform = cls.create_product("Platform", 500.0, saas_plan_id=cls.plan.id)
        cls.calls = cls.create_product("API calls", 0.0, saas_charge_kind="usage")
        order_class = type(cls.env["sale.order"])
        if hasattr(order_class, "_saas_get_meter_problems"):
            # Meters are the business of saas_usage_billing and its tests.
            cls.classPatch(order_class, "_saas_get_meter_problems", lambda *_args: [])
        cls.package = cls.create_product(
            "Onboarding package",
            1200.0,
            saas_charge_kind="one_time",
            saas_onboarding_template_id=cls.template.id,
        )

    @classmethod
    def load_chart(cls):
        """Give the company a chart of accounts."""
        charts = cls.env["account.chart.template"]
        original = type(charts)._get_chart_template_mapping

        def mapping(self, get_all=False):
            if get_all not in CHARTS:
                CHARTS[get_all] = original(self, get_all)
            return CHARTS[get_all]

        with patch.object(type(charts), "_get_chart_template_mapping", mapping):
            charts.try_loading("generic_coa", cls.company, install_demo=False)

    # Factories -------------------------------------------------------
    @classmethod
    def new_users(cls, groups):
        """Create users at once, which takes half the time of one by one.

        :param groups: external ids of groups, separated by commas, by login
        :return: users, in that order
        """
        values = [
            {
                "login": login,
                "name": f"{login} ({names})",
                "password": login.ljust(8, "x"),
                "email": f"{login[0]}.{login[0]}@example.com",
                "group_ids": [
                    Command.set([cls.env.ref(name).id for name in names.split(",")])
                ],
                "company_id": cls.company.id,
                "company_ids": [Command.set(cls.company.ids)],
            }
            for login, names in groups.items()
        ]
        return cls.env["res.users"].create(values)

    @classmethod
    def new_user(cls, login, groups, company=None):
        company = company or cls.company
        return new_test_user(
            cls.env,
            login=login,
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )

    @classmethod
    def new_role_user(cls, role, extra=""):
        groups = ",".join(filter(None, (f"{ROLE}{role}", extra)))
        return cls.new_user(f"sub_{role}", groups)

    @classmethod
    def create_template(cls, **vals):
        template = cls.env["project.project"].create(
            {
                "name": "Standard onboarding",
                "is_template": True,
                "allow_milestones": True,
                "company_id": cls.company.id,
                **vals,
            }
        )
        cls.role_csm = cls.env["project.role"].create(
            {"name": "Success manager", "saas_user_source": "csm"}
        )
        cls.role_sales = cls.env["project.role"].create(
            {"name": "Account owner", "saas_user_source": "salesperson"}
        )
        milestones = cls.env["project.milestone"].create(
            [
                {"name": "Kick-off held", "project_id": template.id, "sequence": 1},
                {
                    "name": "Go-live",
                    "project_id": template.id,
                    "sequence": 2,
                    "saas_day_offset": 10,
                },
            ]
        )
        cls.env["project.task"].create(
            [
                {
                    "name": "Kick-off",
                    "project_id": template.id,
                    "role_ids": [Command.link(cls.role_sales.id)],
                    "saas_day_offset": 1,
                    "milestone_id": milestones[0].id,
                },
                {
                    "name": "Configure",
                    "project_id": template.id,
                    "role_ids": [Command.link(cls.role_csm.id)],
                    "saas_day_offset": 5,
                    "milestone_id": milestones[1].id,
                },
                {"name": "Whenever", "project_id": template.id},
            ]
        )
        return template

    @classmethod
    def create_plan(cls, **vals):
        return cls.env["saas.plan"].create(
            {
                "name": "Business",
                "company_id": cls.company.id,
                "support_tier_id": cls.tier.id,
                **vals,
            }
        )

    @classmethod
    def create_product(cls, name, price, **vals):
        return cls.env["product.product"].create(
            {
                "name": name,
                "type": "service",
                "list_price": price,
                "taxes_id": [Command.clear()],
                **vals,
            }
        )

    @classmethod
    def create_order(cls, products=None, start=date(2026, 3, 2), **vals):
        products = products or [(cls.platform, 1), (cls.calls, 1), (cls.package, 1)]
        return cls.env["sale.order"].create(
            {
                "partner_id": cls.partner.id,
                "user_id": cls.salesperson.id,
                "saas_start_date": start,
                "order_line": [
                    Command.create({"product_id": product.id, "product_uom_qty": qty})
                    for product, qty in products
                ],
                **vals,
            }
        )

    @classmethod
    def create_subscription(cls, lines=None, activate=True, **vals):
        """Create a subscription without an order; lines are dicts of line values."""
        lines = lines or [{"product_id": cls.platform.id, "price_unit": 500.0}]
        subscription = cls.env["saas.subscription"].create(
            {
                "partner_id": cls.partner.id,
                "plan_id": cls.plan.id,
                "date_start": date(2026, 3, 2),
                "tz": "Europe/Paris",
                "line_ids": [Command.create(line) for line in lines],
                **vals,
            }
        )
        if activate:
            subscription.action_activate()
        return subscription

    @classmethod
    def create_run(cls, cutoff=date(2026, 4, 1), user=None, **vals):
        return (
            cls.env["saas.billing.run"]
            .with_user(user or cls.operator)
            .create({"date_cutoff": cutoff, "date_invoice": date(2026, 3, 31), **vals})
        )

    @classmethod
    def approve(cls, run):
        run.with_user(cls.operator).action_review()
        run.with_user(cls.approver).action_approve()
        return run

    @classmethod
    def post(cls, run):
        """Post an approved run as the job queue would, without waiting for it."""
        run.with_user(cls.operator).with_context(queue_job__no_delay=True).action_post()
        run.invalidate_recordset()
        return run

    @classmethod
    def bill(cls, cutoff=date(2026, 4, 1), **vals):
        """Prepare, approve and post a run."""
        run = cls.create_run(cutoff, **vals)
        run.action_compute()
        return cls.post(cls.approve(run))

    def events(self, record, name=None):
        domain = [("res_model", "=", record._name), ("res_id", "in", record.ids)]
        if name:
            domain.append(("name", "=", name))
        return self.env["saas.event"].sudo().search(domain)

    def exceptions(self, code):
        return (
            self.env["saas.exception"]
            .sudo()
            .search([("code", "=", code), ("company_id", "=", self.company.id)])
        )
