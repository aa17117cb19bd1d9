# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64

from odoo import api, fields, models
from odoo.tools import file_open

COMPANY_NAME = "Northwind Cloud"
DOMAIN_NAME = "northwind-cloud.example"
#: Name base gives the first company; another one means somebody works with it.
FRESH_NAMES = ("My Company", "YourCompany", COMPANY_NAME)
CHART = "generic_coa"
KPI_TARGETS = {
    # code: (target, warning threshold, critical threshold)
    "mrr": (15000.0, 12000.0, 8000.0),
    "invoiced_usage": (200.0, 150.0, 50.0),
    "open_exceptions": (5.0, 10.0, 25.0),
    "sla_met_rate": (95.0, 90.0, 75.0),
    "onboarding_open": (15.0, 20.0, 30.0),
    "renewal_on_time_rate": (95.0, 90.0, 75.0),
    "renewal_gross_rate": (90.0, 85.0, 75.0),
    "renewal_forecast_accuracy": (90.0, 80.0, 60.0),
    "onboarding_on_time_rate": (90.0, 75.0, 50.0),
}


class SaasDemo(models.AbstractModel):
    """Set up what the demo company needs and data files cannot say.

    Every method may run again: it completes what is missing and leaves alone what
    somebody has changed. All are private, so nobody reaches them over RPC.
    """

    _name = "saas.demo"
    _description = "Demo Company Set-up"

    @api.model
    def _prepare_company(self) -> None:
        """Give ``saas_demo.company_northwind`` its record, mail domain and chart.

        The first company is taken while it is untouched, otherwise a company of our
        own is created: nobody's books are renamed.
        """
        company = self.env.ref("saas_demo.company_northwind", raise_if_not_found=False)
        if not company:
            company = self._take_company()
            self.env["ir.model.data"]._update_xmlids(
                [
                    {
                        "xml_id": "saas_demo.company_northwind",
                        "record": company,
                        "noupdate": True,
                    }
                ]
            )
        self._prepare_mail_domain(company)
        self._prepare_chart(company)
        self._prevent_look_ups(company)

    def _prevent_look_ups(self, company) -> None:
        """Keep made-up people from being looked up in other companies' databases."""
        self.env["ir.config_parameter"].set_param(
            "crm.iap.lead.enrich.setting", "manual"
        )
        cron = self.env.ref(
            "crm_iap_enrich.ir_cron_lead_enrichment", raise_if_not_found=False
        )
        if cron:
            cron.active = False
        if "iap_enrich_auto_done" in company._fields:
            company.iap_enrich_auto_done = True

    def _take_company(self):
        company = self.env.ref("base.main_company")
        moves = self.env["account.move"].sudo()
        used = moves.search_count([("company_id", "=", company.id)], limit=1)
        if company.name not in FRESH_NAMES or used:
            company = company.create(
                {
                    "name": COMPANY_NAME,
                    "currency_id": self.env.ref("base.USD").id,
                    "logo": self._get_logo(),
                }
            )
            admin = self.env.ref("base.user_admin")
            (admin | self.env.user).company_ids |= company
            return company
        company.write(
            {
                "name": COMPANY_NAME,
                "email": f"office@{DOMAIN_NAME}",
                "logo": self._get_logo(),
            }
        )
        return company

    @api.model
    def _prepare_change_product(self) -> None:
        """Say what changes of scope are sold as, unless somebody has."""
        company = self.env.ref("saas_demo.company_northwind")
        if not company.saas_change_order_product_id:
            company.saas_change_order_product_id = self.env.ref(
                "saas_demo.product_change"
            )

    @staticmethod
    def _get_logo() -> bytes:
        with file_open("saas_demo/static/img/logo.png", "rb") as logo:
            return base64.b64encode(logo.read())

    def _prepare_mail_domain(self, company) -> None:
        if not company.alias_domain_id:
            domains = self.env["mail.alias.domain"]
            company.alias_domain_id = domains.search(
                [("name", "=", DOMAIN_NAME)], limit=1
            ) or domains.create({"name": DOMAIN_NAME})

    def _prepare_chart(self, company) -> None:
        if not company.chart_template:
            # Not ``try_loading``: it warns of a registry that is still loading, and
            # the accounting modules, which are all it needs, are complete here.
            self.env["account.chart.template"]._load(CHART, company, False)

    @api.model
    def _prepare_targets(self) -> None:
        """Set the demo company's targets on KPIs that have none."""
        for kpi in self.env["saas.kpi"].search([("code", "in", list(KPI_TARGETS))]):
            if not kpi.target:
                target, warning, critical = KPI_TARGETS[kpi.code]
                kpi.write(
                    {
                        "target": target,
                        "warning_threshold": warning,
                        "critical_threshold": critical,
                    }
                )

    @api.model
    def _issue_access(self, password: str, days: int = 365) -> dict:
        """Give the demo people a password and the usage feed a new API key.

        For a server process only (``odoo shell``); the caller keeps the answer where
        nobody else can read it.

        :param str password: given to every demo user
        :param int days: the key's validity
        :return: ``{"password", "usage_key", "users": {role: login}}``
        """
        users = self._get_users()
        people = {role: user for role, user in users.items() if role != "integration"}
        for user in people.values():
            user.password = password
        expires = fields.Datetime.add(fields.Datetime.now(), days=days)
        feed = users["integration"]
        # Keys are made by their owner; sudo because a service user's groups allow
        # keys of one day only.
        keys = self.env["res.users.apikeys"].with_user(feed).sudo()
        old = keys.search([("user_id", "=", feed.id), ("name", "=", "Usage feed")])
        old.unlink()
        return {
            "password": password,
            "usage_key": keys._generate("rpc", "Usage feed", expires),
            "users": {role: user.login for role, user in people.items()},
        }

    def _get_users(self) -> dict:
        """Return ``{role: user}`` of the demo people, by their XML ids."""
        rows = self.env["ir.model.data"].search(
            [
                ("module", "=", "saas_demo"),
                ("model", "=", "res.users"),
                ("name", "=like", "user\\_%"),
            ]
        )
        users = self.env["res.users"].browse(rows.mapped("res_id")).exists()
        roles = {row.res_id: row.name.removeprefix("user_") for row in rows}
        return {roles[user.id]: user for user in users}
