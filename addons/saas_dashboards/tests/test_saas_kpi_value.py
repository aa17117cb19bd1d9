# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import tagged

from .common import DashboardCase


@tagged("post_install", "-at_install")
class TestSaasKpiValue(DashboardCase):
    """Which values may be put together, and how they read."""

    def test_latest_is_the_newest_date_only(self):
        self._store("mrr", date(2030, 1, 1), 100)
        newest = self._store("mrr", date(2030, 2, 1), 120)
        found = self._search(("kpi_id.code", "=", "mrr"), ("saas_is_latest", "=", True))
        self.assertEqual(found, newest)
        self.assertTrue(newest.saas_is_latest)

    def test_latest_is_taken_per_company(self):
        here = self._store("mrr", date(2030, 1, 1), 100)
        there = self._store("mrr", date(2030, 2, 1), 50, self.other_company)
        found = self._search(
            ("kpi_id.code", "=", "mrr"),
            ("saas_is_latest", "=", True),
            companies=self.company | self.other_company,
        )
        self.assertEqual(found, here | there)

    def test_state_nobody_is_in_any_more_is_not_latest(self):
        self._store("onboarding_open", date(2030, 1, 1), {"kickoff": 2, "live": 1})
        now = self._store("onboarding_open", date(2030, 1, 2), {"live": 3})
        found = self._search(
            ("kpi_id.code", "=", "onboarding_open"), ("saas_is_latest", "=", True)
        )
        self.assertEqual(found, now)

    def test_month_close_is_the_last_day_of_each_month(self):
        self._store("open_tickets", date(2030, 1, 5), 4)
        january = self._store("open_tickets", date(2030, 1, 31), 7)
        february = self._store("open_tickets", date(2030, 2, 2), 5)
        found = self._search(
            ("kpi_id.code", "=", "open_tickets"), ("saas_is_month_close", "=", True)
        )
        self.assertEqual(found, january | february)

    def test_newer_definition_replaces_the_older_one(self):
        old = self._store("mrr", date(2030, 1, 1), 100)
        kept = self._store("mrr", date(2029, 12, 1), 90)
        self._kpi("mrr").definition_version += 1
        new = self._store("mrr", date(2030, 1, 1), 110)
        found = self._search(
            ("kpi_id.code", "=", "mrr"), ("saas_is_current", "=", True)
        )
        self.assertEqual(found, kept | new)
        self.assertFalse(old.saas_is_current)

    def test_daily_values_replace_the_monthly_value_they_cover(self):
        kpi = self._kpi("saas_test_flow", unit="count", period="month")
        self._store("saas_test_flow", date(2030, 1, 1), 30)
        kpi.period = "day"
        days = self._store("saas_test_flow", date(2030, 1, 1), 1)
        days |= self._store("saas_test_flow", date(2030, 1, 2), 2)
        found = self._search(("kpi_id", "=", kpi.id), ("saas_is_current", "=", True))
        self.assertEqual(found, days)

    def test_total_is_not_counted_beside_its_split(self):
        rows = self._store("onboarding_open", date(2030, 1, 1), {"": 3, "a": 1, "b": 2})
        total = rows.filtered(lambda row: not row.dimension)
        self.assertEqual(rows.filtered("saas_is_total"), total)

    def test_split_alone_makes_the_total(self):
        rows = self._store("onboarding_open", date(2030, 1, 1), {"a": 1, "b": 2})
        self.assertEqual(rows.filtered("saas_is_total"), rows)

    def test_split_of_a_percentage_never_makes_a_total(self):
        rows = self._store("sla_met_rate", date(2030, 1, 1), {"a": 90, "b": 100})
        self.assertFalse(rows.filtered("saas_is_total"))

    def test_flags_can_be_negated(self):
        old = self._store("mrr", date(2030, 1, 1), 100)
        self._store("mrr", date(2030, 2, 1), 120)
        for domain in (("saas_is_latest", "=", False), ("saas_is_latest", "!=", True)):
            self.assertEqual(self._search(("kpi_id.code", "=", "mrr"), domain), old)

    def test_texts_carry_unit_and_currency(self):
        money = self._store("mrr", date(2030, 1, 1), "1234.5")
        share = self._store("sla_met_rate", date(2030, 1, 1), "97.5")
        count = self._store("open_tickets", date(2030, 1, 1), 7)
        self.assertEqual(money.saas_value_text, "1,234.50 USD")
        self.assertEqual(share.saas_value_text, "97.5 %")
        self.assertEqual(count.saas_value_text, "7")

    def test_money_reads_in_the_currency_of_its_company(self):
        value = self._store("mrr", date(2030, 1, 1), 10, self.other_company)
        self.assertEqual(value.saas_value_text, "10.00 EUR")

    def test_trend_follows_the_direction_of_the_kpi(self):
        self._store("mrr", date(2030, 1, 1), 100)
        up = self._store("mrr", date(2030, 2, 1), 120)
        self._store("open_tickets", date(2030, 1, 1), 5)
        more = self._store("open_tickets", date(2030, 1, 2), 8)
        self.assertEqual((up.saas_trend, up.saas_change_text), ("better", "+20.00 USD"))
        self.assertEqual((more.saas_trend, more.saas_change_text), ("worse", "+3"))

    def test_first_value_has_no_trend(self):
        first = self._store("mrr", date(2030, 1, 1), 100)
        self.assertFalse(first.saas_trend)
        self.assertEqual(first.saas_change_text, "")

    def test_trend_costs_one_query_however_many_rows(self):
        rows = self.env["saas.kpi.value"]
        for day in range(1, 21):
            rows |= self._store("open_tickets", date(2030, 1, day), day)
        rows.invalidate_recordset(["saas_change_text", "saas_trend"])
        rows.mapped("kpi_id.direction")
        with self.assertQueryCount(1):
            rows._saas_previous_values()

    def test_history_opens_the_values_of_the_same_figure(self):
        value = self._store("mrr", date(2030, 1, 1), 100)
        self._store("mrr", date(2030, 1, 1), 50, self.other_company)
        action = value.action_view_saas_history()
        self.assertEqual(action["views"][0][1], "graph")
        found = self.env["saas.kpi.value"].search(action["domain"])
        self.assertEqual(found, value)
