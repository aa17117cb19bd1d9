# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta
from decimal import Decimal

from odoo.tests import freeze_time, tagged

from .common import MONDAY, SlaCase

DAY = date(2026, 1, 12)


@tagged("post_install", "-at_install")
class TestSaasKpi(SlaCase):
    """The two figures this module computes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Measured Ltd"})
        cls.agent.company_ids |= cls.company
        cls.agent.company_id = cls.company
        cls.team.company_id = cls.company

    def kpi(self, code, start=DAY, days=1):
        """Compute one KPI row for the measured company."""
        kpi = self.env["saas.kpi"].search([("code", "=", code)])
        model = self.env[kpi.compute_model]
        method = getattr(model, kpi.compute_method)
        return method(kpi, self.company, start, start + timedelta(days=days))

    def test_sla_met_rate(self):
        self.assertEqual(self.kpi("sla_met_rate"), [])
        with freeze_time(MONDAY) as frozen:
            met = self.make_ticket(company_id=self.company.id)
            late = self.make_ticket(company_id=self.company.id)
            unseen = self.make_ticket(company_id=self.company.id)
            dropped = self.make_ticket(company_id=self.company.id)
            waiting = self.make_ticket(company_id=self.company.id)
            dropped.stage_id = self.stage_cancelled
            frozen.tick(timedelta(minutes=10))
            self.reply(met)
            self.reply(waiting)
            waiting.stage_id = self.stage_waiting
            frozen.tick(timedelta(minutes=60))
            self.reply(late)
            self.clock(unseen, "first_response").next_action_at = False
            # met: met, waiting; breached: late, unseen (still open, nobody told)
            [row] = self.kpi("sla_met_rate")
        self.assertEqual(row["value"], Decimal("50.00"))
        self.assertEqual(row["inputs"], {"met": 2, "breached": 2, "unrecorded": 1})
        with freeze_time(MONDAY + timedelta(days=1)):
            self.assertEqual(self.kpi("sla_met_rate", DAY + timedelta(days=1)), [])

    def test_open_tickets(self):
        self.assertEqual(self.kpi("open_tickets", date.today())[0]["value"], 0)
        one = self.make_ticket(company_id=self.company.id)
        self.make_ticket(company_id=self.company.id)
        self.env.flush_all()
        self.assertEqual(self.kpi("open_tickets", date.today())[0]["value"], 2)
        one.stage_id = self.stage_done
        self.assertEqual(self.kpi("open_tickets", date.today())[0]["value"], 1)
