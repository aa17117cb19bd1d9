# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What prices need besides the quantity: amounts, and events one by one."""

from collections import defaultdict
from dataclasses import replace

from odoo import api, models

from ..engine.dimension import GoesTo, Rule
from ..engine.event_pricing import Usage
from ..engine.filters import Condition
from ..engine.meter import Measured
from ..engine.models.prorated_graduated import ProratedUnits
from ..engine.money import CONTEXT, ZERO, times, to_decimal
from .usage_store_api import get_store
from .usage_values import StoredValues

#: Places amounts are added up with; more than a number of an event has.
AMOUNT_DECIMALS = 60


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    @api.model
    def _measure_priced(self, priced, measure, bounds=None):
        """Add what some prices need besides the quantity."""
        result = super()._measure_priced(priced, measure, bounds)
        dynamic = defaultdict(dict)
        for period, prices in priced.items():
            for price in prices:
                if price.model == "dynamic":
                    dynamic[price.amount_key][period, price] = prices
                elif price._reads_values():
                    conditions = prices._get_part_conditions(price.id)
                    result[period][price.id] = replace(
                        result[period][price.id],
                        values=self._get_stored_values(period, conditions, bounds),
                    )
        for key, parts in dynamic.items():
            amounts = self._measure_amounts(key, parts, bounds)
            for (period, price), amount in amounts.items():
                one = result[period][price.id]
                result[period][price.id] = replace(one, amount=amount)
        return result

    @api.model
    def _get_stored_values(self, period, conditions, bounds):
        """Return the values of the events of a period's price, not yet read.

        :param UsagePeriod period: when
        :param tuple conditions: which events go to the price
        """
        # sudo: whoever may see a charge need not be allowed to see the meter
        meter = self.env["saas.meter"].sudo().browse(period.meter_id)
        spec = meter._get_spec(conditions=conditions)
        return StoredValues(get_store(self.env), spec, period.window, bounds)

    @api.model
    def _measure_amounts(self, key, parts, bounds):
        """Add up the amounts events carry, two statements for those with like prices.

        :param str key: key of the amount in the data
        :param dict parts: (period, price) to all prices of the period
        :return: dict of (period, price) to the amount, None when an event has none of
            zero or more
        """
        alike = defaultdict(list)
        for (period, price), prices in parts.items():
            conditions = prices._get_part_conditions(price.id)
            alike[period.meter_id, conditions].append((period, price))
        result = {}
        usable = Condition(key, ">=", ("0",))
        unusable = GoesTo((Rule(0, (usable,)),), None)
        for (meter_id, conditions), own in alike.items():
            windows = [period.window for period, _price in own]
            # sudo: whoever may see a charge need not be allowed to see the meter
            meter = self.env["saas.meter"].sudo().browse(meter_id)
            sums, faults = (
                self._add_up(meter, key, (*conditions, one), windows, bounds)
                for one in (usable, unusable)
            )
            for part, amount, fault in zip(own, sums, faults, strict=True):
                result[part] = None if fault.count else amount.quantity
        return result

    @api.model
    def _add_up(self, meter, key, conditions, windows, bounds) -> list[Measured]:
        """Add up another key of the events a meter counts."""
        spec = replace(
            meter._get_spec(conditions=conditions),
            aggregation="sum",
            is_level=False,
            value_key=key,
            decimals=AMOUNT_DECIMALS,
        )
        measured = get_store(self.env).aggregate(spec, windows, bounds)
        return [groups[()] for groups in measured]

    @api.model
    def _make_usage(self, price, period, measured):
        """Return what a price is put on, as the engine knows it.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: when
        :param Measured measured: of the price
        """
        values = measured.values
        return Usage(
            measured.quantity,
            amount=measured.amount,
            amounts=(value for _moment, value in values),
            changes=self._make_changes(period, measured)
            if price.model == "prorated_graduated"
            else (),
            # Like a period, a span is never below zero.
            windows=tuple(max(one, ZERO) for one in measured.windows),
        )

    @api.model
    def _make_changes(self, period, measured):
        """Yield the changes of a level, with the part of the period each is there."""
        window = period.window.span
        if measured.carried:
            yield ProratedUnits(measured.carried, measured.carried)
        for moment, value in measured.values:
            left = type(window)(moment, window.end).ticks
            whole = times(value, to_decimal(left))
            if value:
                share = CONTEXT.divide(whole, to_decimal(window.ticks))
                yield ProratedUnits(value, share)
