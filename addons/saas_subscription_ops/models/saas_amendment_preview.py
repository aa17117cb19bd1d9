# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The money effect of an amendment, computed before anybody confirms it."""

from decimal import Decimal

from odoo import api, fields, models

from ..engine.errors import EngineError
from ..engine.ledger import difference
from ..exceptions import SubscriptionError


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    preview_html = fields.Html(
        string="Effect", compute="_compute_preview_html", sanitize=False
    )

    @api.depends(
        "subscription_id",
        "kind",
        "date_effective",
        "credit",
        "pause_mode",
        "date_resume",
        "term_months",
        "date_term_end",
        "uplift",
        "waive_minimum_term",
        "line_ids.action",
        "line_ids.line_id",
        "line_ids.product_id",
        "line_ids.quantity",
        "line_ids.price_unit",
        "line_ids.discount",
        "state",
    )
    def _compute_preview_html(self):
        for amendment in self:
            if amendment.state not in ("draft", "to_approve"):
                amendment.preview_html = False
                continue
            amendment.preview_html = self.env["ir.qweb"]._render(
                "saas_subscription_ops.amendment_preview",
                {"preview": amendment._preview(), "amendment": amendment},
            )

    def _preview(self) -> dict:
        """Return the effect of the amendment on money and terms; nothing is written.

        :return: ``problem`` (why it can't be confirmed, else empty), and if there is
            none: ``rows`` (label, period, amount), ``charge``, ``credit``, ``net``,
            ``mrr_before``, ``mrr_after``, ``term_end_before``, ``term_end_after``,
            ``date_end_after``; money in the subscription currency, untaxed as priced
        """
        self.ensure_one()
        if not self.subscription_id or not self.date_effective:
            return {"problem": self.env._("Choose subscription and date.")}
        try:
            self._check_possible()
            return {"problem": "", **self._get_ledger_effect()}
        except (SubscriptionError, EngineError) as error:
            return {"problem": str(error)}

    def _get_ledger_effect(self) -> dict:
        """Return what the amendment adds to and takes from what is due.

        Compared are the charges due with and without it, up to the start of the next
        billing period and at least up to what was billed ahead.

        :return: see ``_preview``
        """
        self.ensure_one()
        subscription = self.subscription_id._origin
        confirmed = subscription._get_confirmed_amendments() - self._origin
        before = subscription._fold_terms(confirmed)
        after = subscription._fold_terms(confirmed | self)
        cutoff = self._get_preview_cutoff()
        changes = difference(
            subscription._propose_folded(after, cutoff),
            [
                charge.as_booked()
                for charge in subscription._propose_folded(before, cutoff)
            ],
        )
        rows = [
            {
                "label": self._get_change_label(change),
                "period": subscription._get_period_label(change),
                "amount": change.amount,
            }
            for change in changes
            if change.amount
        ]
        amounts = [row["amount"] for row in rows]
        day = self.date_effective
        return {
            "rows": rows,
            "charge": sum((a for a in amounts if a > 0), Decimal(0)),
            "credit": sum((a for a in amounts if a < 0), Decimal(0)),
            "net": sum(amounts, Decimal(0)),
            "cutoff": cutoff,
            "mrr_before": subscription._get_folded_mrr(before, day),
            "mrr_after": subscription._get_folded_mrr(after, day),
            "term_end_before": before.term_end,
            "term_end_after": after.term_end,
            "date_end_after": after.date_end,
        }

    def _get_change_label(self, change) -> str:
        """Return what a row of the preview is about."""
        label = change.description or self.plan_id.name
        if change.ref.startswith("coupon:"):
            return self.env._("%(product)s, coupon", product=label)
        return label

    def _get_preview_cutoff(self):
        """Return the exclusive cut-off up to which effects are compared."""
        subscription = self.subscription_id._origin
        day = self.date_requested
        if self.kind not in ("cancel", "pause"):
            # What is not served later was never charged, so it is no credit.
            day = max(day, self.date_effective)
        # sudo: only the latest date is read
        [[ahead]] = (
            self.env["saas.charge"]
            .sudo()
            ._read_group(
                [
                    ("subscription_id", "=", subscription.id),
                    ("base_kind", "=", "recurring"),
                ],
                [],
                ["service_start:max"],
            )
        )
        boundary = max(subscription._get_next_boundary(day), day)
        return max(boundary, fields.Date.add(ahead, days=1)) if ahead else boundary
