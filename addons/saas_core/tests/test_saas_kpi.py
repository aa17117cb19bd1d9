# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import datetime
from decimal import Decimal
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import KpiError
from .common import SaasCoreCase

DAY = datetime.date(2026, 3, 1)
ONE = datetime.timedelta(days=1)
METHOD = "_saas_kpi_open_exceptions"


@tagged("post_install", "-at_install")
class TestSaasKpi(SaasCoreCase):
    """Definitions, stored values, restatements."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kpi = cls.env["saas.kpi"].create(
            {
                "code": "core_kpi",
                "name": "Core KPI",
                "compute_model": "saas.exception",
                "compute_method": METHOD,
                "direction": "up",
                "target": 10,
                "warning_threshold": 8,
                "critical_threshold": 5,
            }
        )
        cls.Values = cls.env["saas.kpi.value"]

    def compute(self, rows, day=DAY, kpi=None):
        """Compute one day with what a method would have returned."""
        kpi = kpi or self.kpi
        if not isinstance(rows, list):
            rows = [{"value": rows}]
        with patch.object(type(self.env["saas.exception"]), METHOD, lambda *args: rows):
            return kpi._compute_period(self.company, day, day + ONE)

    def values(self, **domain):
        return self.Values.search(
            [("kpi_id", "=", self.kpi.id), *((k, "=", v) for k, v in domain.items())],
            order="date_start, definition_version, dimension",
        )

    # -- store ---------------------------------------------------------
    def test_store_and_provenance(self):
        value = self.compute(
            [
                {
                    "value": Decimal("9.123456"),
                    "res_model": "res.partner",
                    "domain": [("create_date", "<", datetime.date(2026, 1, 1))],
                    "inputs": {"rate": Decimal("1.10"), "n": 3, "f": 0.1},
                }
            ]
        )
        self.assertEqual(value.value, 9.1235)
        self.assertEqual((value.status, value.target), ("on_target", 10))
        self.assertTrue(value.is_latest)
        self.assertEqual(value.provenance["method"], f"saas.exception.{METHOD}")
        self.assertEqual(value.provenance["exact_value"], "9.123456")
        self.assertEqual(value.provenance["inputs"]["rate"], "1.10")
        self.assertEqual(len(value.provenance["inputs_hash"]), 64)
        again = self.compute([{"value": 9.1235, "inputs": {"n": 3}}])
        self.assertEqual(again, value)
        self.assertFalse(value.restated_at)

    def test_status(self):
        wanted = {10: "on_target", 8: "on_target", 7: "warning", 4: "critical"}
        for value, status in wanted.items():
            self.assertEqual(self.compute(value).status, status)
        kpi = self.kpi.copy({"code": "core_none", "target": 0, "warning_threshold": 0})
        kpi.critical_threshold = 0
        self.assertEqual(self.compute(1, kpi=kpi).status, "none")

    def test_restatement_keeps_the_first_value(self):
        value = self.compute(10)
        self.compute(7)
        self.assertEqual((value.value, value.previous_value), (7, 10))
        self.assertTrue(value.restated_at)

    def test_running_period_is_no_restatement(self):
        with freeze_time("2026-03-01 12:00:00"):
            value = self.compute(10)
            self.assertTrue(value.is_provisional)
        with freeze_time("2026-03-02 01:00:00"):
            self.compute(7)
        self.assertFalse(value.is_provisional)
        self.assertFalse(value.restated_at)

    def test_dimensions_and_latest(self):
        rows = [{"value": 1, "dimension": "eu"}, {"value": 2, "dimension": "us"}]
        self.compute(rows)
        self.compute(rows[:1], DAY + ONE)
        latest = self.values(is_latest=True)
        self.assertEqual(
            latest.mapped(lambda v: (v.date_start, v.dimension)),
            [(DAY, "us"), (DAY + ONE, "eu")],
        )
        self.compute(rows[1:])
        gone = self.values(date_start=DAY, dimension="eu")
        self.assertEqual((gone.value, gone.previous_value), (0, 1))
        self.assertTrue(gone.provenance["withdrawn"])
        with self.assertRaises(KpiError):
            self.compute([{"value": 1}, {"value": 2}])

    def test_new_definition_keeps_old_values(self):
        old = self.compute(10)
        self.kpi.write({"target": 20, "name": "Other"})
        self.assertEqual(self.kpi.definition_version, 1, "a target defines nothing")
        self.kpi.formula = "Counted differently"
        self.assertEqual(self.kpi.definition_version, 2)
        self.kpi.formula = "Counted differently"
        self.assertEqual(self.kpi.definition_version, 2)
        new = self.compute(3)
        self.assertNotEqual(new, old)
        self.assertEqual((old.value, old.definition_version), (10, 1))
        self.assertEqual((old.is_latest, new.is_latest), (False, True))

    def test_bad_rows_are_refused(self):
        for rows in ([{}], [{"value": "many"}], [{"value": None}], [{"value": "NaN"}]):
            with self.subTest(rows), self.assertRaises(KpiError):
                self.compute(rows)
        self.kpi.unit = "money"
        with self.assertRaises(KpiError):
            self.compute(1)
        row = {"value": 1, "currency_id": self.company.currency_id.id}
        self.assertEqual(self.compute([row]).currency_id, self.company.currency_id)

    # -- definitions ---------------------------------------------------
    def test_bad_definitions_are_refused(self):
        for vals in (
            {"compute_method": "unlink"},
            {"compute_method": "_saas_kpi_nothing"},
            {"compute_model": "no.model"},
            {"code": "With Space"},
            {"critical_threshold": 9},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError):
                self.kpi.write(vals)
                self.env.flush_all()

    # -- runs ----------------------------------------------------------
    @mute_logger("odoo.addons.saas_core.models.saas_kpi")
    def test_failure_stops_nobody_else(self):
        good = self.env.ref("saas_core.saas_kpi_open_exceptions")

        def method(model, kpi, *args):
            if kpi == self.kpi:
                raise ValueError("boom")
            return [{"value": 1}]

        with patch.object(type(self.env["saas.exception"]), METHOD, method):
            done = (self.kpi | good)._compute_range(self.company, DAY, DAY)
        self.assertFalse(done)
        self.assertFalse(self.values())
        self.assertTrue(good.value_ids.filtered(lambda v: v.date_start == DAY))
        exception = self.env["saas.exception"].search(
            [("code", "=", "kpi.compute_failed"), ("res_id", "=", self.kpi.id)]
        )
        self.assertIn("boom", exception.name)
        exception.action_retry()
        self.assertEqual(exception.state, "resolved")

    def test_cron_computes_yesterday_and_today(self):
        self.kpi.copy({"code": "core_month", "period": "month"})
        with freeze_time("2026-03-02 03:00:00"), self.enter_registry_test_mode():
            self.env.flush_all()
            self.env.ref("saas_core.ir_cron_saas_kpi_compute").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(
            self.values(company_id=self.company.id).mapped("date_start"),
            [DAY, DAY + ONE],
        )
        month = self.Values.search(
            [("kpi_code", "=", "core_month"), ("company_id", "=", self.company.id)],
            order="date_start",
        )
        self.assertEqual(
            month.mapped("date_start"), [datetime.date(2026, 2, 1), DAY], "and February"
        )
        self.assertTrue(self.values(company_id=self.other_company.id))

    def test_wizard(self):
        Wizard = self.env["saas.kpi.recompute.wizard"].with_user(
            self.users["administrator"]
        )
        vals = {"kpi_ids": self.kpi.ids, "date_from": DAY, "date_to": DAY + ONE}
        action = Wizard.create(vals).action_recompute()
        self.assertEqual(len(self.Values.search(action["domain"])), 2)
        for wrong in (
            {"date_from": DAY + ONE, "date_to": DAY},
            {"date_to": datetime.date(2999, 1, 1)},
            {"date_from": datetime.date(2000, 1, 1)},
        ):
            with self.subTest(wrong), self.assertRaises(UserError):
                Wizard.create({**vals, **wrong}).action_recompute()

    def test_drill_down(self):
        value = self.compute(
            [
                {
                    "value": 1,
                    "res_model": "saas.kpi",
                    "domain": [("id", "=", self.kpi.id)],
                }
            ]
        )
        action = value.with_user(self.users["user"]).action_drill_down()
        self.assertEqual(self.env["saas.kpi"].search(action["domain"]), self.kpi)
        secret = self.compute([{"value": 1, "res_model": "ir.cron"}])
        with self.assertRaises(AccessError):
            secret.with_user(self.users["user"]).action_drill_down()
        with self.assertRaises(UserError):
            self.compute(1).action_drill_down()
