# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The periods of metered use, and what was used in them."""

import functools
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta, timezone

from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.engine.period import day_start

from ..engine.meter import Measured
from .usage_bounds import get_given
from .usage_store_api import Window, get_store

#: Key of what billing reads once per transaction, in the cache of the cursor.
CACHE = "saas_usage_billing"


def to_naive(moment):
    """Return an aware datetime as Odoo stores it: naive UTC.

    :param moment: aware datetime
    """
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """A period of metered use of one product: half-open dates, and who is charged."""

    subscription_id: int
    line_id: int
    product_tmpl_id: int
    meter_id: int
    start: date
    end: date
    full_days: int
    window: Window

    @property
    def days(self):
        """Return the calendar dates served."""
        return (self.end - self.start).days


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_usage_lines(self):
        """Return the lines charged by usage."""
        return self.line_ids.filtered(
            lambda line: line.kind == "usage" and line.product_id.saas_meter_id
        )

    def _get_usage_periods(self, until, running=False, after=None):
        """Return the periods of metered use up to a day, since the beginning.

        Lines of the same product that follow or overlap each other are one.

        :param date until: exclusive; periods end on or before it
        :param bool running: return periods that begin before it instead
        :param date after: leave out periods that end on or before it
        :return: list of ``UsagePeriod``
        """
        self.ensure_one()
        result = []
        # Lines of the same days have the same periods.
        grid = functools.cache(lambda *days: list(self._get_grid_periods(*days)))
        lines = self._get_usage_lines().sorted("date_start")
        for template, own in lines.grouped(
            lambda line: line.product_id.product_tmpl_id
        ).items():
            for line, start, end in self._merge_lines(own):
                for served in self._cut_periods(start, end, until, running, grid):
                    if not after or served[1] > after:
                        result.append(self._make_period(line, template, *served))
        return result

    def _merge_lines(self, lines):
        """Return (first line, start, end) of each stretch without a gap."""
        stretches = []
        for line in lines:
            end = self._get_line_end(line)
            if end and end <= line.date_start:
                continue
            if stretches and (
                stretches[-1][2] is None or line.date_start <= stretches[-1][2]
            ):
                last = stretches[-1][2]
                ends = None if last is None or end is None else max(last, end)
                stretches[-1] = (*stretches[-1][:2], ends)
            else:
                stretches.append((line, line.date_start, end))
        return stretches

    def _cut_periods(self, start, end, until, running, grid):
        """Yield (start, end, days of the whole plan period) of a stretch.

        :param grid: ``_get_grid_periods`` as a list
        """
        bound = min(end, until) if end else until
        first = min(self.trial_end or self.date_start, start)
        # Late usage still gets on the invoice of its period.
        closed = until - timedelta(days=self.plan_id.grace_days)
        for begins, ends, days in grid(first, bound):
            served = max(begins, start)
            stop = min(filter(None, (ends, end)), default=None)
            if stop is None and running:
                # A pause keeps the period open: it has lasted until now.
                stop = bound
            if stop and stop > served and (running or stop <= closed):
                yield served, stop, days

    def _make_period(self, line, template, start, end, full_days):
        return UsagePeriod(
            subscription_id=self.id,
            line_id=line.id,
            product_tmpl_id=template.id,
            meter_id=template.saas_meter_id.id,
            start=start,
            end=end,
            full_days=full_days,
            window=Window(
                self.id,
                to_naive(day_start(start, self.tz)),
                to_naive(day_start(end, self.tz)),
                self.tz,
            ),
        )

    @api.model
    def _get_usage_quantities(self, priced, bounds=None):
        """Measure periods of any number of subscriptions, each price's part on its own.

        One statement per meter and way to share events out between prices, whatever
        the number of subscriptions and periods.

        :param priced: dict of ``UsagePeriod`` to its prices, see ``_get_usage_prices``
        :param bounds: ``Bounds``, to repeat an earlier computation
        :return: dict of period to dict of price id to ``Measured``: every price is
            there, and 0 where a period has no price or usage that none of them matches
        """
        book = self.env["saas.usage.reading"]._open(
            [period.window for period in priced], bounds or self._get_usage_bounds()
        )

        def measure(parts):
            return [
                book.aggregate(meter.id, spec, [period.window for period in periods])
                for meter, spec, periods in parts
            ]

        result = self._measure_priced(priced, measure, bounds)
        if bounds:
            # Billing runs give bounds; who only looks at something writes nothing.
            book.close(fields.Datetime.now())
        return result

    @api.model
    def _measure_priced(self, priced, measure, bounds=None):
        """Measure periods with the same meter and prices at once.

        :param priced: dict of ``UsagePeriod`` to its prices
        :param measure: called with a list of (meter, ``MeterSpec``, periods), returns
            for each of them the groups of its periods
        :param bounds: ``Bounds`` of what is read besides
        :return: see ``_get_usage_quantities``
        """
        alike = defaultdict(list)
        for period, prices in priced.items():
            alike[period.meter_id, prices._get_rules()].append(period)
        result = {}
        # sudo: whoever may see a charge need not be allowed to see the meter
        meters = self.env["saas.meter"].sudo().browse(meter for meter, _rules in alike)
        parts = [
            (meter, meter._get_spec(rules=rules), own)
            for meter, ((_id, rules), own) in zip(meters, alike.items(), strict=True)
        ]
        for (_meter, rules), own, measured in zip(
            alike, alike.values(), measure(parts), strict=True
        ):
            for period, groups in zip(own, measured, strict=True):
                result[period] = self._share_out(priced[period], rules, groups)
        return {period: result[period] for period in priced}

    @api.model
    def _share_out(self, prices, rules, groups):
        """Return what was measured of each price, by its id; 0: of none.

        :param prices: ``saas.usage.price`` in the order they were tried
        :param tuple rules: theirs
        :param dict groups: answer of the store for one period
        """
        if not rules:
            return {prices.id or 0: groups[()]}
        found = {
            price.id: groups.get((str(position),), Measured())
            for position, price in enumerate(prices)
        }
        if ("",) in groups:
            found[0] = groups["",]
        return found

    @api.model
    def _get_given_bounds(self):
        """Return the bounds that closed periods are to be computed with.

        :return: ``Bounds`` of the context, None: all that this transaction sees
        """
        given = get_given(self.env)
        return given and given.bounds

    @api.model
    def _get_usage_bounds(self):
        """Return the given bounds, else those of what this transaction sees."""
        return self._get_given_bounds() or self._get_visible_bounds()

    @api.model
    def _get_visible_bounds(self):
        """Return the bounds of what this transaction sees, whatever is given."""
        cache = self.env.cr.cache.setdefault(CACHE, {})
        if "bounds" not in cache:
            cache["bounds"] = get_store(self.env).bounds()
        return cache["bounds"]

    def _get_prefetched_usage(self, date_cutoff):
        """Return what was used in closed periods, read once for a whole batch.

        A billing run asks subscription by subscription; the first question answers
        for all that were browsed together. The answer lives as long as the transaction
        and is dropped when events are stored in it. With bounds in the context only
        what was stored by then counts.

        :return: dict of ``UsagePeriod`` to (its prices, dict of price id to
            ``Measured``), of this subscription
        """
        self.ensure_one()
        bounds = self._get_given_bounds()
        cache = self.env.cr.cache.setdefault(CACHE, {})
        cache = cache.setdefault(("quantities", date_cutoff, bounds), {})
        if self.id not in cache:
            batch = self.browse(self._prefetch_ids)
            batch = batch.filtered(lambda record: record.id not in cache)
            by_record = {
                record.id: record._get_priced_periods(date_cutoff)
                for record in batch | self
                if record.state != "draft"
            }
            every = {
                period: prices
                for own in by_record.values()
                for period, prices in own.items()
            }
            quantities = self._get_usage_quantities(every, bounds)
            for record_id, own in by_record.items():
                cache[record_id] = {
                    (period, prices._ids): quantities[period]
                    for period, prices in own.items()
                }
        found = cache.get(self.id, {})
        # Lines and prices may have changed since the batch was read: what is asked now
        # counts.
        wanted = self._get_priced_periods(date_cutoff)
        missing = {
            period: prices
            for period, prices in wanted.items()
            if (period, prices._ids) not in found
        }
        if missing:
            for period, one in self._get_usage_quantities(missing, bounds).items():
                found[period, missing[period]._ids] = one
        return {
            period: (prices, found[period, prices._ids])
            for period, prices in wanted.items()
        }

    def _get_priced_periods(self, date_cutoff):
        """Return the closed periods with their prices.

        :return: dict of ``UsagePeriod`` to ``saas.usage.price``, in the order tried
        """
        return self._get_usage_prices(self._get_usage_periods(date_cutoff))
