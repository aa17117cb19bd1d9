# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import dataclass

from odoo import models

from .saas_charge import MAX_GROUPS
from .saas_usage_breakdown import Breakdown
from .saas_usage_price import format_quantity


@dataclass(frozen=True, slots=True)
class Appendix:
    """What the appendix shows of one charge."""

    charge: models.BaseModel
    breakdown: Breakdown
    is_daily: bool

    @property
    def dates(self):
        """Return the first and last day that was measured."""
        return self.charge._get_usage_dates()

    @staticmethod
    def in_words(quantity):
        """Return a quantity as text.

        :param Decimal quantity: None where there is none
        """
        return "" if quantity is None else format_quantity(quantity)


class AccountMove(models.Model):
    _inherit = "account.move"

    def _get_saas_usage_appendix(self):
        """Take the usage behind the invoice apart, as the plans ask for.

        :return: list of ``Appendix`` in the language of the environment, by line
        """
        self.ensure_one()
        result = []
        charges = self._get_saas_usage_charges()
        for charge in charges.sorted(lambda one: (one.move_line_id.sequence, one.id)):
            wanted = charge.subscription_id.plan_id.usage_appendix
            if wanted == "none":
                continue
            breakdown = charge._get_usage_breakdown()
            others = self.env._(
                "%(number)s others", number=len(breakdown.groups) - MAX_GROUPS
            )
            result.append(
                Appendix(
                    charge, breakdown.shorten(MAX_GROUPS, others), wanted == "daily"
                )
            )
        return result
