# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was used so far, from sums kept by day: no matter how many events there are.

Invoices and previews of invoices read the events.
"""

from datetime import timedelta

from odoo import api, models
from odoo.exceptions import UserError

from odoo.addons.saas_subscription_ops.engine.period import day_start, local_day

from .saas_subscription_usage_periods import to_naive
from .saas_usage_counting import DIFFERENCE
from .usage_bucket import find_differences
from .usage_bucket_read import Days, find_countable, is_behind, read_buckets
from .usage_store_api import DEFAULT, Window, get_store, get_store_name


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    @api.model
    def _get_live_quantities(self, priced):
        """Measure running periods as ``_get_usage_quantities`` does, within a minute.

        :param priced: dict of ``UsagePeriod`` to its prices
        :return: dict of period to dict of price id to ``Measured``
        """

        def measure(meter, spec, periods):
            days = [Days(one.window, one.start, one.end) for one in periods]
            return self._measure_live(meter, spec, days)

        return self._measure_priced(priced, measure)

    @api.model
    def _measure_live(self, meter, spec, periods):
        """Measure periods from the buckets, or the events where these are not enough.

        :param meter: ``saas.meter``
        :param MeterSpec spec: of the meter, what to measure
        :param list periods: ``Days``
        :return: per period its groups, see ``UsageStore.aggregate``
        """
        found = {}
        for counted in meter._get_counted() if self._has_live_figures() else []:
            own = list(dict.fromkeys(find_countable(self.env, counted, spec, periods)))
            found.update(
                zip(own, read_buckets(self.env, counted, spec, own), strict=True)
            )
        left = [period for period in periods if period not in found]
        measured = get_store(self.env).aggregate(
            spec, [period.window for period in left]
        )
        found.update(zip(left, measured, strict=True))
        return [found[period] for period in periods]

    @api.model
    def _has_live_figures(self):
        """Return whether buckets are of the store in use, and nearly up to date."""
        return get_store_name(self.env) == DEFAULT and not is_behind(self.env)

    def _get_live_days(self, meter, spec, first, last):
        """Measure each local day of a period.

        :param meter: ``saas.meter``
        :param MeterSpec spec: of the meter, not grouped
        :param date first: first day
        :param date last: day after the last one
        :return: dict of day to ``Measured``
        """
        self.ensure_one()
        days = [first + timedelta(days=n) for n in range((last - first).days)]
        periods = [self._make_days(day, day + timedelta(days=1)) for day in days]
        measured = self._measure_live(meter, spec, periods)
        return {day: groups[()] for day, groups in zip(days, measured, strict=True)}

    def _make_days(self, first, last):
        """Return some local days of the subscription.

        :param date first: first day
        :param date last: day after the last one
        """
        start, end = (to_naive(day_start(day, self.tz)) for day in (first, last))
        return Days(Window(self.id, start, end, self.tz), first, last)

    def _get_running_periods(self, now):
        """Return the periods of metered use that run at a moment.

        :param now: aware UTC datetime
        :return: list of ``UsagePeriod``
        """
        self.ensure_one()
        today = local_day(now, self.tz)
        return [
            period
            for period in self._get_usage_periods(today + timedelta(days=1), True)
            if period.start <= today < period.end
        ]

    def saas_retry_bucket_difference(self):
        """Compare the live figures with the events again, from the exception queue.

        :raise UserError: they differ still
        """
        self.check_access("read")
        Counting = self.env["saas.usage.counting"]
        today = Counting._get_today()
        for meter in Counting._get_counted():
            days = Counting._choose_days(meter, today, 1, self.ids)
            if find_differences(self.env, meter, days):
                raise UserError(
                    self.env._(
                        "The live figures still differ from the events. They are"
                        " counted anew every minute: try again then, and report it if"
                        " it stays."
                    )
                )
        self.sudo()._saas_resolve(
            DIFFERENCE, self.env._("Live figures are what the events add up to.")
        )
