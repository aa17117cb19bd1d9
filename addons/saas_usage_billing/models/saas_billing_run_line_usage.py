# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was approved is what is posted, also while usage goes on arriving."""

from dataclasses import replace
from datetime import datetime

from odoo import api, fields, models
from odoo.tools import SQL

from .usage_bounds import BOUNDS, GivenBounds


class SaasBillingRunLine(models.Model):
    _inherit = "saas.billing.run.line"

    usage_bounds = fields.Json(
        readonly=True,
        help="Which usage the line was computed with, and what was held then; it is "
        "posted with the same.",
    )
    usage_seen_at = fields.Datetime(
        string="Usage Received Until",
        compute="_compute_usage_seen_at",
        help="Usage that arrived later is not in this line, also when it is posted "
        "later: the next run bills it.",
    )

    @api.depends("usage_bounds")
    def _compute_usage_seen_at(self):
        for line in self:
            stored_at = (line.usage_bounds or {}).get("stored_at")
            line.usage_seen_at = stored_at and datetime.fromisoformat(stored_at)

    def _compute_batch(self):
        """Take down what the store shows now, before it is asked for quantities."""
        self._set_usage_bounds()
        return super()._compute_batch()

    def _set_usage_bounds(self):
        """Set the bounds of lines with metered use, clear those of all others."""
        metered = self.filtered(lambda line: line.subscription_id._get_usage_lines())
        (self - metered).filtered("usage_bounds").usage_bounds = False
        if not metered:
            return
        bounds = self.env["saas.subscription"]._get_visible_bounds().as_dict()
        for line in metered:
            # What is held now stays out of this line, also when it is released.
            holds = line.subscription_id._get_usage_holds().ids
            line.usage_bounds = {**bounds, "holds": holds} if holds else bounds

    def _get_due_charges(self, subscription) -> list:
        """Compute usage from what the store showed when the line was computed."""
        if self.usage_bounds:
            given = GivenBounds.from_dict(self.usage_bounds)
            subscription = subscription.with_context(**{BOUNDS: given})
        charges = super()._get_due_charges(subscription)
        return self.run_id._filter_usage_scope(subscription, charges)

    def _get_comparable(self) -> SQL:
        """Keep corrections of usage out of what is usual for an invoice."""
        self.run_id.flush_model(["usage_scope"])
        return SQL(
            "%s AND NOT EXISTS (SELECT FROM saas_billing_run run"
            " WHERE run.id = line.run_id AND run.usage_scope = 'corrections')",
            super()._get_comparable(),
        )

    def _get_facts(self) -> dict:
        """Compare no correction with invoices: what is late is never usual."""
        return {
            line: replace(facts, history=(), peers=())
            if line.run_id.usage_scope == "corrections"
            else facts
            for line, facts in super()._get_facts().items()
        }

    def _book(self, groups, charges, moves):
        """Tell of usage that came late, once it is booked."""
        result = super()._book(groups, charges, moves)
        for line in self:
            line.subscription_id._record_late_usage(charges[line])
        return result
