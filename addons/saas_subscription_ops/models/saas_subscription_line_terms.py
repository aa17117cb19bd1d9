# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Lines and the segments of the timeline they stand for."""

from odoo import models

from ..engine.timeline import Segment
from .saas_subscription_billing import to_decimal


class SaasSubscriptionLine(models.Model):
    _inherit = "saas.subscription.line"

    def _get_term_values(self) -> dict:
        """Return the terms of a line by name, as the timeline carries them."""
        self.ensure_one()
        return {
            "product_id": self.product_id.id,
            "name": self.name,
            "quantity": to_decimal(self.quantity),
            "price_unit": to_decimal(self.price_unit),
            "discount": to_decimal(self.discount),
            "kind": self.kind,
            "timing": self.timing,
            "recurrence": self._get_recurrence(),
        }

    def _is_quoted(self) -> bool:
        """Return whether a quotation was made about the line."""
        self.ensure_one()
        return bool(
            self.env["sale.order.line"]
            # sudo: a yes or no, whatever one may read of orders
            .sudo()
            .search_count([("saas_continued_line_id", "=", self.id)], limit=1)
        )

    def _find_segment(self, segment: Segment):
        """Return the line that holds a segment already; empty when none does."""
        return self.filtered(
            lambda line: (
                line.date_start == segment.date_start
                and line._get_term_values() == segment.values
            )
        )[:1]

    def _set_segment_end(self, date_end, keep_last_period: bool):
        vals = {"date_end": date_end or False, "keep_last_period": keep_last_period}
        if any(self[name] != value for name, value in vals.items()):
            self.write(vals)

    def _prepare_segment_vals(self, segment: Segment) -> dict:
        """Prepare the line that continues a chain.

        :param Segment segment: terms and interval
        :return: values of ``saas.subscription.line``
        """
        self.ensure_one()
        values = segment.values
        product = self.env["product.product"].browse(values["product_id"])
        same_product = product == self.product_id
        return {
            "subscription_id": self.subscription_id.id,
            "root_id": self.id,
            "amendment_id": segment.change,
            "sequence": self.sequence,
            "name": values["name"],
            "product_id": product.id,
            "product_uom_id": (
                self.product_uom_id if same_product else product.uom_id
            ).id,
            "quantity": float(values["quantity"]),
            "price_unit": float(values["price_unit"]),
            "discount": float(values["discount"]),
            "kind": values["kind"],
            "timing": values["timing"],
            "recurrence_unit": self.recurrence_unit,
            "recurrence_count": self.recurrence_count,
            "analytic_distribution": self.analytic_distribution,
            "date_start": segment.date_start,
            "date_end": segment.date_end,
            "keep_last_period": segment.keep_last_period,
            "sale_line_id": self.sale_line_id.id,
        }
