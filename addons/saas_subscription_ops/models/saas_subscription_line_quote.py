# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What quotations ask subscription lines."""

from datetime import date

from odoo import models


class SaasSubscriptionLine(models.Model):
    _inherit = "saas.subscription.line"

    def _get_quotable_terms(self, day: date | None = None) -> dict:
        """Return what a quotation repeats of the line, to compare it later.

        :param date day: day the quotation counts; what is agreed for that very day
            besides the terms of the line itself is ``agreed``, None when it ends
        """
        self.ensure_one()
        terms = {
            "product_id": self.product_id.id,
            "quantity": self.quantity,
            "price_unit": self.price_unit,
            "discount": self.discount,
        }
        agreed = self._get_line_on(day) if day else self
        if agreed != self:
            terms["agreed"] = agreed._get_quotable_terms() if agreed else None
        return terms

    def _get_line_on(self, day: date):
        """Return the line of the same chain that applies on a day.

        The end of the subscription does not count: a renewal may move it.

        :param date day: calendar date in the subscription's time zone
        :return: empty when the chain has ended by then
        """
        self.ensure_one()
        return self.subscription_id.line_ids.filtered(
            lambda line: (
                line.root_id == self.root_id
                and line.date_start <= day
                and not (line.date_end and line.date_end <= day)
            )
        )[:1]

    def _get_later_segments(self, day: date):
        """Return the lines that continue this one after a day, ascending.

        :param date day: calendar date in the subscription's time zone
        :return: lines of the same chain with days of their own, each one starting
            when the one before ends
        """
        self.ensure_one()
        later = self.subscription_id.line_ids.filtered(
            lambda line: (
                line.root_id == self.root_id
                and line.date_start > max(day, self.date_start)
                and not (line.date_end and line.date_end <= line.date_start)
            )
        )
        return later.sorted("date_start")
