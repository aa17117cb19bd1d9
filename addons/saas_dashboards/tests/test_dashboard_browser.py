# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
from datetime import date

from odoo.tests import HttpCase, tagged
from odoo.tools import file_open

from .common import DashboardFactory

BUNDLES = ("web.assets_web", "spreadsheet.o_spreadsheet", "web.chartjs_lib")


@tagged("post_install", "-at_install")
class TestDashboardBrowser(DashboardFactory, HttpCase):
    """What the browser shows equals what Python computes; no cell is an error."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._setup_companies()
        # Built inside a test, they are rolled back with it and built again.
        for name in BUNDLES:
            bundle = cls.env["ir.qweb"]._get_asset_bundle(name, css=True, js=True)
            bundle.js()
            bundle.css()
        both = cls.company | cls.other_company
        # Auditors see every queue, others what is theirs.
        groups = "saas_core.group_saas_core_user,saas_core.group_saas_core_auditor"
        cls.reader = cls._user("dash_browser", groups, both)

    @staticmethod
    def _script(steps):
        """Return the probe with what it has to compare."""
        with file_open("saas_dashboards/static/tests/dashboard_probe.js") as file:
            return file.read().replace("STEPS", json.dumps(steps))

    def _open(self, key, steps, companies=None):
        dashboard = self.env.ref(f"saas_dashboards.spreadsheet_dashboard_saas_{key}")
        companies = companies or self.company
        self.browser_js(
            f"/odoo/dashboards?dashboard_id={dashboard.id}&debug=1",
            self._script(steps),
            login=self.reader.login,
            cookies={"cids": "-".join(str(one) for one in companies.ids)},
            timeout=240,
        )

    def _seed(self):
        """Three months of all headline KPIs; returns them as ``{code: [values]}``."""
        months = [date(2030, 1, 1), date(2030, 2, 1), date(2030, 3, 1)]
        values = {
            "mrr": ["500.00", "750.50", "901.25"],
            "active_subscriptions": [1, 2, 3],
            "invoiced_recurring": ["500.00", "750.50", "901.25"],
            "invoiced_usage": ["12.34", "0.66", "100.01"],
            "open_exceptions": [4, 0, 2],
            "sla_met_rate": ["90.00", "100.00", "87.50"],
            "open_tickets": [9, 8, 12],
            "renewal_available": ["6000.00", "0.00", "1200.00"],
            "renewal_gross_rate": ["80.00", "100.00", "95.50"],
        }
        for code, numbers in values.items():
            for month, number in zip(months, numbers, strict=True):
                self._store(code, month, number)
        accuracy = {"": "91.20", "Ada": "100.00", "Ben": "70.00"}
        self._store("renewal_forecast_accuracy", months[-1], accuracy)
        split = {"": 5, "Kick-off": 2, "Configuration": 3}
        self._store("onboarding_open", months[-1], split)
        return values

    def test_empty_database(self):
        """Nothing stored: every figure is a dash, nothing is an error."""
        dashes = {
            title: "-"
            for title in (
                "MRR",
                "Active subscriptions",
                "Invoiced recurring",
                "Invoiced usage",
                "Open exceptions",
                "SLA met",
                "Open tickets",
                "Onboardings open",
                "Available to renew",
                "Gross renewal rate",
                "Renewal forecast accuracy",
                "Onboardings on time",
            )
        }
        step = {"name": "empty", "filters": {}, "cards": dashes}
        self._open("executive", [step])

    def test_figures_equal_python(self):
        values = self._seed()
        usage = sum(float(number) for number in values["invoiced_usage"])
        recurring = sum(float(number) for number in values["invoiced_recurring"])
        everything = {
            "name": "all time",
            "filters": {},
            "cards": {
                "MRR": "901.25",
                "Active subscriptions": "3",
                "Invoiced recurring": f"{recurring:,.2f}",
                "Invoiced usage": f"{usage:,.2f}",
                "Open exceptions": "2",
                "SLA met": "87.5%",
                "Open tickets": "12",
                "Onboardings open": "5",
                "Available to renew": "7,200.00",
                "Gross renewal rate": "95.5%",
                "Renewal forecast accuracy": "91.2%",
                "Onboardings on time": "-",
            },
            "charts": {
                "mrr": {
                    "January 2030 / Dashboard One": 500.0,
                    "March 2030 / Dashboard One": 901.25,
                },
                "sla_met_rate": {"March 2030 / Dashboard One": 87.5},
                "invoiced_usage": {"February 2030 / Dashboard One": 0.66},
            },
            "texts": [
                "901.25 USD",
                "87.5 %",
                "Amounts in company currency: USD",
                "Dashboard One",
            ],
        }
        period = {"type": "range", "from": "2030-01-01", "to": "2030-02-28"}
        filtered = {
            "name": "January and February",
            "filters": {"Period": period},
            "cards": {
                "MRR": "750.50",
                "Active subscriptions": "2",
                "Invoiced recurring": "1,250.50",
                "Invoiced usage": "13.00",
                "SLA met": "100.0%",
                "Open exceptions": "0",
                "Onboardings open": "-",
            },
        }
        self._kpi("mrr").saas_owner_id = self.reader
        owned = {
            "name": "KPI owner",
            "filters": {
                "Period": None,
                "KPI owner": {"operator": "in", "ids": self.reader.ids},
            },
            "cards": {"MRR": "901.25", "Invoiced usage": "-", "SLA met": "-"},
        }
        self._open("executive", [everything, filtered, owned])

    def test_missing_module_shows_a_dash(self):
        self._store("mrr", date(2030, 3, 1), "901.25")
        step = {
            "name": "core only",
            "filters": {},
            "cards": {"MRR": "901.25", "SLA met": "-", "Invoiced usage": "-"},
        }
        self._open("executive", [step])

    def test_other_company_is_not_shown(self):
        self._store("mrr", date(2030, 3, 1), "901.25")
        self._store("mrr", date(2030, 3, 1), "111.00", self.other_company)
        step = {"name": "own", "filters": {}, "cards": {"MRR": "901.25"}}
        self._open("executive", [step])

    def test_currencies_are_never_added(self):
        """Two companies: money and no sum; counts add up; percentages do not."""
        for company, money, count, share in (
            (self.company, "901.25", 3, 90),
            (self.other_company, "111.00", 4, 100),
        ):
            self._store("mrr", date(2030, 3, 1), money, company)
            self._store("active_subscriptions", date(2030, 3, 1), count, company)
            self._store("sla_met_rate", date(2030, 3, 1), share, company)
        several = "Several currencies are selected: choose one company to see amounts."
        step = {
            "name": "both",
            "filters": {},
            "cards": {"MRR": "-", "Active subscriptions": "7", "SLA met": "95.0%"},
            "charts": {
                "mrr": {
                    "March 2030 / Dashboard One": 901.25,
                    "March 2030 / Dashboard Two": 111.0,
                }
            },
            "texts": ["901.25 USD", "111.00 EUR", several],
        }
        self._open("executive", [step], self.company | self.other_company)

    def test_operations_counts_the_queue(self):
        exceptions = self.env["saas.exception"]
        for code, severity in (("one.failed", "low"), ("two.failed", "critical")):
            exceptions._saas_raise_for(
                self.company, code, "Look at it", queue="finance", severity=severity
            )
        exceptions._saas_raise_for(
            self.other_company, "far.failed", "Elsewhere", queue="finance"
        )
        step = {
            "name": "queue",
            "filters": {},
            "cards": {
                "Open exceptions": "2",
                "Critical exceptions": "1",
                "Exceptions without owner": "2",
            },
        }
        nobody = {
            "name": "owner",
            "filters": {"Owner": {"operator": "in", "ids": self.reader.ids}},
            "cards": {"Open exceptions": "0", "Critical exceptions": "0"},
        }
        self._open("operations", [step, nobody])
