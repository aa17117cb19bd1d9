# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was used so far, from sums kept by day: no matter how many events there are.

Invoices and previews of invoices read the events.
"""

from datetime import timedelta
from decimal import Decimal
from itertools import compress

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.misc import format_datetime

from odoo.addons.saas_subscription_ops.engine.period import day_start, local_day

from ..engine.money import round_decimals
from .saas_subscription_usage_periods import to_naive
from .saas_usage_counting import DIFFERENCE
from .usage_bucket import find_differences
from .usage_bucket_read import (
    Asked,
    Days,
    find_countable,
    is_behind,
    read_buckets,
)
from .usage_store_api import DEFAULT, Window, get_store, get_store_name

TICK = timedelta(microseconds=1)
#: Aggregations whose quantity grows with the days.
ADDED = ("count", "sum")


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    @api.model
    def _get_live_quantities(self, priced):
        """Measure running periods as ``_get_usage_quantities`` does, within a minute.

        :param priced: dict of ``UsagePeriod`` to its prices
        :return: dict of period to dict of price id to ``Measured``
        """

        def measure(parts):
            wanted = [
                (meter, spec, [Days(one.window, one.start, one.end) for one in periods])
                for meter, spec, periods in parts
            ]
            return self._measure_live_parts(wanted)

        return self._measure_priced(priced, measure)

    @api.model
    def _measure_live(self, meter, spec, periods):
        """Measure periods from the buckets, or the events where these are not enough.

        :param meter: ``saas.meter``
        :param MeterSpec spec: of the meter, what to measure
        :param list periods: ``Days``
        :return: per period its groups, see ``UsageStore.aggregate``
        """
        return self._measure_live_parts([(meter, spec, periods)])[0]

    @api.model
    def _measure_live_parts(self, parts):
        """Measure periods of any number of meters in few statements.

        :param list parts: (meter, spec, periods), see ``_measure_live``
        :return: per part the groups of its periods
        """
        asked = [
            Asked(counted, spec, period)
            for meter, spec, periods in parts
            for counted in meter._get_counted()
            for period in dict.fromkeys(periods)
        ]
        found = {}
        if asked and self._has_live_figures():
            known = list(compress(asked, find_countable(self.env, asked)))
            for one, groups in zip(known, read_buckets(self.env, known), strict=True):
                found[one.spec, one.owner, one.days] = groups
        result = []
        for meter, spec, periods in parts:
            own = {
                period: found[key]
                for period in periods
                if (key := (spec, (period.window.subscription_id, meter.id), period))
                in found
            }
            left = [period for period in periods if period not in own]
            measured = get_store(self.env).aggregate(
                spec, [period.window for period in left]
            )
            own.update(zip(left, measured, strict=True))
            result.append([own[period] for period in periods])
        return result

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
        return self._get_usage_periods(today + timedelta(days=1), True, after=today)

    def _prepare_live_facts(self, row, meter, now):
        """Return what the usage tab adds to a quantity: where it leads, what is free.

        :param dict row: of ``_get_current_usage``
        :param meter: ``saas.meter``
        :param now: aware UTC datetime
        :return: dict: forecast (None where use does not add up day by day), allowance
            and its percent (None where nothing is included), last event in words, holds
        """
        self.ensure_one()
        period, rated = row["period"], row["rated"]
        allowance = rated.included if rated else 0
        last = self._get_last_event(meter, period)
        holds = self._get_usage_holds().filtered(
            lambda hold: (
                hold.meter_id <= meter
                and (not hold.date_to or hold.date_to > period.start)
                and hold.date_from < period.end
            )
        )
        return {
            "forecast": self._get_forecast(row["quantity"], period, meter, now),
            "allowance": allowance or None,
            "allowance_percent": int(rated.converted * 100 / allowance)
            if allowance
            else None,
            "last_event": last
            and format_datetime(self.env, last, tz=self.tz, dt_format="short"),
            "held": bool(holds),
        }

    def _get_forecast(self, quantity, period, meter, now):
        """Return the quantity at the end of the period if use goes on like that."""
        window = period.window
        passed = to_naive(now) - window.start
        is_added = meter.aggregation in ADDED and not meter.is_level
        if not is_added or passed.total_seconds() <= 0:
            return None
        whole = window.end - window.start
        part = Decimal(whole // TICK) / Decimal(min(passed, whole) // TICK)
        places = 0 if meter.aggregation == "count" else min(meter.decimals, 2)
        return round_decimals(quantity * part, places)

    def _get_last_event(self, meter, period):
        """Return the time of the last event that was counted, naive UTC, or None."""
        query = SQL(
            "SELECT max(seen_at) FROM saas_usage_bucket WHERE subscription_id = %s"
            " AND meter_id = %s AND day >= %s AND day < %s",
            *(self.id, meter.id, period.start, period.end),
        )
        return self.env.execute_query(query)[0][0]

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
