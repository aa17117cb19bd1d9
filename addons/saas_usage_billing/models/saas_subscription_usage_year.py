# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was used earlier in a contract year, for tiers that count over it."""

from datetime import timedelta
from decimal import Decimal

from odoo import models

from odoo.addons.saas_subscription_ops.engine.period import (
    Recurrence,
    grid_date,
    grid_index,
)

from .usage_kept import get_kept

_YEAR = Recurrence("year")


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_quantity_before(self, price, period, history=None):
        """Return what was metered earlier in the contract year of a period.

        Periods belong to the year they begin in; all versions of the price count on.
        Usage that is not corrected counts as it is booked.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: that begins on or after the subscription
        :param dict history: answer of ``_get_prefetched_usage`` that has these periods
        :return: Decimal; None: the period is the first of the year that was priced so
        """
        self.ensure_one()
        first = min(self.date_start, period.start)
        start = grid_date(first, _YEAR, grid_index(first, _YEAR, period.start))
        if history is None:
            history = self._get_year_history(period, start)
        Price = price.browse()
        kept = get_kept(self.env)
        found = [
            self._count_in_year(
                price,
                earlier,
                kept.get(price._get_charge_ref(earlier), (one.quantity,))[0],
            )
            for earlier, (_prices, measured) in history.items()
            if earlier.product_tmpl_id == period.product_tmpl_id
            and start <= earlier.start < period.start
            for price_id, one in measured.items()
            if price_id and Price.browse(price_id).root_id == price.root_id
        ]
        return sum(found, Decimal(0)) if found else None

    def _count_in_year(self, price, period, quantity):
        """Return what a period adds to the running total of a year.

        A level is a quantity of each whole period: part of one adds its part, by days.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: that may be cut
        :param Decimal quantity: of the period
        """
        part = self._get_part(period)
        return part.of(quantity) if part and price._is_timed() else quantity

    def _get_year_history(self, period, start):
        """Measure what was used before a period, since a day.

        :param UsagePeriod period: of the product in question
        :param date start: first day
        :return: dict of period to (prices, dict of price id to ``Measured``)
        """
        # Periods that ended count, whether they are due yet or not.
        until = period.start + timedelta(days=self.plan_id.grace_days)
        earlier = [
            one
            for one in self._get_usage_periods(until)
            if one.product_tmpl_id == period.product_tmpl_id
            and start <= one.start
            and one.end <= period.start
        ]
        priced = self._get_usage_prices(earlier)
        quantities = self._get_usage_quantities(priced, self._get_given_bounds())
        return {one: (priced[one], quantities[one]) for one in earlier}
