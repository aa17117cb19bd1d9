# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools.misc import format_date

from ..models.saas_usage_price import format_quantity


class SaasUsageDrill(models.TransientModel):
    """A charge of metered use, taken apart for the one who opened it."""

    _name = "saas.usage.drill"
    _description = "Usage Behind a Charge"
    _rec_name = "name"

    name = fields.Char(readonly=True)
    charge_id = fields.Many2one("saas.charge", readonly=True, ondelete="cascade")
    run_charge_id = fields.Many2one(
        "saas.billing.run.charge",
        string="Proposed Charge",
        readonly=True,
        ondelete="cascade",
    )
    subscription_id = fields.Many2one(
        "saas.subscription", readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", readonly=True)
    date_start = fields.Date(string="From", readonly=True)
    date_end = fields.Date(
        string="To", readonly=True, help="Last day of the service period."
    )
    quantity_text = fields.Char(string="Quantity", readonly=True)
    amount = fields.Monetary(
        readonly=True, help="Of the whole period, as it was computed for this charge."
    )
    charged = fields.Monetary(
        string="This Charge",
        readonly=True,
        help="What this charge itself books: of a correction, the difference.",
    )
    is_additive = fields.Boolean(readonly=True)
    has_events = fields.Boolean(readonly=True, default=True)
    detached_note = fields.Char(readonly=True)
    tier_ids = fields.One2many(
        "saas.usage.drill.line", "drill_id", domain=[("kind", "=", "tier")]
    )
    day_ids = fields.One2many(
        "saas.usage.drill.line", "drill_id", domain=[("kind", "=", "day")]
    )
    group_ids = fields.One2many(
        "saas.usage.drill.line", "drill_id", domain=[("kind", "=", "group")]
    )

    # ------------------------------------------------------------------
    # Opening
    # ------------------------------------------------------------------
    @api.model
    def _open(self, charge):
        """Take a charge apart and open the result.

        :param charge: one ``saas.charge`` or ``saas.billing.run.charge`` with usage
        :return: window action
        """
        charge.ensure_one()
        charge.check_access("read")
        breakdown = charge._get_usage_breakdown()
        # sudo: auditors read what is behind a charge, too, and create nothing else
        drill = self.sudo().create(self._prepare_drill_vals(charge, breakdown))
        for row in breakdown.tiers:
            tier = drill._add_rows("tier", [row])
            drill._add_rows("tier_day", row.rows, tier_id=tier.id)
        drill._add_rows("day", breakdown.days)
        drill._add_rows("group", breakdown.groups)
        return drill.sudo(False)._get_records_action(
            name=self.env._("Usage"), views=[(False, "form")]
        )

    @api.model
    def _prepare_drill_vals(self, charge, breakdown):
        is_booked = charge._name == "saas.charge"
        product = charge.product_id.display_name or ""
        first, last = charge._get_usage_dates()
        quantity = f"{format_quantity(breakdown.quantity)} {breakdown.unit}".strip()
        return {
            "name": f"{product}, {format_date(self.env, first)}",
            "charge_id": charge.id if is_booked else False,
            "run_charge_id": False if is_booked else charge.id,
            "subscription_id": charge.subscription_id.id,
            "company_id": charge.company_id.id,
            "currency_id": charge.currency_id.id,
            "date_start": first,
            "date_end": last,
            "quantity_text": quantity,
            "amount": float(breakdown.amount),
            "charged": charge.amount,
            "is_additive": breakdown.is_additive,
            "has_events": charge._has_single_events(),
            "detached_note": charge._get_detached_note(),
        }

    def _add_rows(self, kind, rows, **vals):
        """Keep rows of the breakdown as lines of one kind."""
        return self.env["saas.usage.drill.line"].create(
            [
                {
                    "drill_id": self.id,
                    "kind": kind,
                    "name": row.name,
                    "day": row.day,
                    "texts": list(row.texts),
                    "quantity": float(row.quantity or 0),
                    "event_count": row.count or 0,
                    "amount": float(row.amount),
                    **vals,
                }
                for row in rows
            ]
        )

    # ------------------------------------------------------------------
    # Further down
    # ------------------------------------------------------------------
    def _get_charge(self):
        return self.charge_id or self.run_charge_id

    def action_view_events(self):
        """Open all events of the charge.

        :return: window action
        """
        self.ensure_one()
        return self._get_charge().action_view_usage_events()

    def action_view_days(self):
        """Open the days of the charge as a list, graph or pivot.

        :return: window action
        """
        self.ensure_one()
        return self.day_ids._get_days_action(self.name)

    def action_download_events(self):
        """Download the events of the charge as CSV.

        :return: URL action
        """
        return self._get_download("events")

    def action_download_days(self):
        """Download the days of the charge as CSV.

        :return: URL action
        """
        return self._get_download("days")

    def _get_download(self, what):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/saas/usage/charge/{self.charge_id.id}/{what}.csv",
            "target": "download",
        }
