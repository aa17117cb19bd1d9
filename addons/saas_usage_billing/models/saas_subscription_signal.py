# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The trend of the usage, as a signal of the renewal forecast."""

from collections import defaultdict
from datetime import date, timedelta

from odoo import models

from odoo.addons.saas_subscription_ops.engine.period import day_start

from ..engine.trend import FALLS, GROWS, STOPPED, trend
from .saas_subscription_usage_periods import to_naive
from .usage_store_api import Window, get_store

#: Whole weeks, so that weekends weigh the same in both spans.
SPAN_DAYS = 28


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_renewal_signal_sources(self) -> list[str]:
        return [*super()._get_renewal_signal_sources(), "_renewal_signal_usage"]

    def _renewal_signal_usage(self, day: date) -> dict:
        """Report which way the usage of the last weeks goes.

        :param date day: day of the forecast; it is not looked at itself
        :return: ``{subscription id: [(code, count, words)]}``
        """
        pairs = self._get_usage_pairs(day)
        result = {}
        for subscription_id, own in pairs.items():
            direction, change = trend(own)
            words = self._get_trend_words(direction, change)
            if words:
                result[subscription_id] = [(f"usage_{direction}", 1, words)]
        return result

    def _get_usage_pairs(self, day: date) -> dict:
        """Read earlier and recent quantity per meter, one statement per meter.

        :param date day: day after the recent span
        :return: list of (earlier, recent) per subscription id
        """
        middle = day - timedelta(days=SPAN_DAYS)
        first = middle - timedelta(days=SPAN_DAYS)
        windows = defaultdict(list)
        for subscription in self:
            lines = subscription._get_usage_lines().filtered(
                # What was sold within the spans can't be compared.
                lambda line: line._is_in_force(first) and line._is_in_force(middle)
            )
            for meter in lines.product_id.saas_meter_id:
                windows[meter] += [
                    subscription._make_window(first, middle),
                    subscription._make_window(middle, day),
                ]
        result = defaultdict(list)
        for meter, own in windows.items():
            measured = get_store(self.env).aggregate(meter._get_spec(), own)
            quantities = [groups[()].quantity for groups in measured]
            for index in range(0, len(own), 2):
                pair = (quantities[index], quantities[index + 1])
                result[own[index].subscription_id].append(pair)
        return result

    def _make_window(self, start: date, end: date) -> Window:
        """Return the events between two days of the customer's time zone."""
        first, last = (to_naive(day_start(day, self.tz)) for day in (start, end))
        return Window(self.id, first, last, self.tz)

    def _get_trend_words(self, direction: str | None, change: int) -> str:
        """Return the trend in words, empty when it tells nothing.

        :param str direction: of ``engine.trend``
        :param int change: percent
        """
        if direction == STOPPED:
            return self.env._("No usage in the last %(days)s days", days=SPAN_DAYS)
        if direction == FALLS:
            return self.env._(
                "Usage fell by %(percent)s%% within %(days)s days",
                percent=-change,
                days=SPAN_DAYS,
            )
        if direction == GROWS:
            return self.env._(
                "Usage grew by %(percent)s%% within %(days)s days",
                percent=change,
                days=SPAN_DAYS,
            )
        return ""
