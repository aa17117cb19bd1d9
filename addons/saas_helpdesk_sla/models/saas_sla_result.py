# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Domain

from .saas_sla_policy_target import METRICS, PRIORITIES


class SaasSlaResult(models.Model):
    """A decided target: met or breached, frozen with what held at that moment.

    One row per clock and round (next reply and periodic update have several rounds).
    A breach is written the moment it happens; its minutes are completed when the
    target is reached at last.
    """

    _name = "saas.sla.result"
    _description = "SLA Result"
    _inherit = ["saas.default.guard"]
    _order = "decided_at desc, id desc"
    _rec_name = "ticket_id"

    clock_id = fields.Many2one(
        "saas.sla.clock", required=True, readonly=True, index=True, ondelete="cascade"
    )
    round = fields.Integer(required=True, readonly=True, aggregator=None)
    ticket_id = fields.Many2one(
        "helpdesk.ticket", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    metric = fields.Selection(METRICS, required=True, readonly=True)
    outcome = fields.Selection(
        [("met", "Met"), ("breached", "Breached")], required=True, readonly=True
    )
    account_id = fields.Many2one("res.partner", readonly=True, index="btree_not_null")
    tier_id = fields.Many2one("saas.support.tier", readonly=True)
    policy_id = fields.Many2one(
        "saas.sla.policy", readonly=True, index="btree_not_null"
    )
    team_id = fields.Many2one("helpdesk.ticket.team", readonly=True)
    user_id = fields.Many2one("res.users", string="Assignee", readonly=True)
    priority = fields.Selection(PRIORITIES, readonly=True)
    target_text = fields.Char(string="Target", readonly=True)
    started_at = fields.Datetime(readonly=True)
    due_at = fields.Datetime(readonly=True)
    decided_at = fields.Datetime(
        required=True,
        readonly=True,
        index=True,
        help="Met: when it was reached. Breached: the deadline that passed.",
    )
    reached_at = fields.Datetime(
        readonly=True, help="When the target was reached at last; empty: still open."
    )
    elapsed_minutes = fields.Float(
        readonly=True, aggregator="avg", help="Working time used."
    )
    overdue_minutes = fields.Float(
        readonly=True,
        aggregator="sum",
        help="Working time past the deadline when it was reached.",
    )

    _once = models.UniqueIndex(
        "(clock_id, round)", "This round of the clock is decided already."
    )
    _kpi_idx = models.Index("(company_id, decided_at)")

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_sla_met_rate(self, kpi, company, date_start, date_end):
        """Share of targets met among those decided in a period, in percent.

        An open target whose deadline passed in the period counts as breached even if
        no cron has recorded it yet. Cancelled and paused targets do not count.

        :param kpi: the saas.kpi
        :param company: one res.company
        :param date date_start: first day, UTC
        :param date date_end: day after the last, UTC
        :return: list with one row, empty when nothing was decided
        """
        # sudo: a company's figure does not depend on who computes it
        Result, Clock = self.sudo(), self.env["saas.sla.clock"].sudo()
        period = Domain("company_id", "=", company.id) & Domain(
            "decided_at", ">=", fields.Datetime.to_datetime(date_start)
        )
        period &= Domain("decided_at", "<", fields.Datetime.to_datetime(date_end))
        counts = dict(Result._read_group(period, ["outcome"], ["__count"]))
        late = Clock.search_count(
            Clock._get_unrecorded_breach_domain(company, date_start, date_end)
        )
        met = counts.get("met", 0)
        breached = counts.get("breached", 0) + late
        if not met + breached:
            return []
        value = (Decimal(100 * met) / (met + breached)).quantize(Decimal("0.01"))
        return [
            {
                "value": value,
                "domain": list(period),
                "inputs": {"met": met, "breached": breached, "unrecorded": late},
            }
        ]
