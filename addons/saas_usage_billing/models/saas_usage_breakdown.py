# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The amount of a usage charge by tier, day and dimension, each summing to it."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from odoo import models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.drill import Layer, fill, rate_days, spread
from ..engine.money import add

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Row:
    """A part of a charge.

    ``quantity`` is metered, of tiers in the units of the price; None where there are
    no units. ``count`` of events, None where nobody can say. ``day`` None: an amount
    without usage. ``texts``: of the meter's dimensions. ``rows``: the days of a tier.
    """

    name: str
    quantity: Decimal | None
    amount: Decimal
    count: int | None = None
    day: date | None = None
    texts: tuple[str, ...] = ()
    rows: tuple["Row", ...] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A charge taken apart; tiers, days and groups each sum to ``amount``.

    ``tiers`` are free units, tiers, then discount and limits. ``groups`` is empty
    where the meter has no dimensions. ``is_additive``: the days' quantities sum to the
    whole.
    """

    amount: Decimal
    quantity: Decimal
    unit: str
    tiers: tuple[Row, ...]
    days: tuple[Row, ...]
    groups: tuple[Row, ...]
    is_additive: bool

    def shorten(self, limit, other):
        """Return the same with the largest groups only, and the rest as one.

        :param int limit: groups named one by one
        :param str other: name of the rest
        """
        rest = self.groups[limit:]
        if not rest:
            return self
        # Quantities like peaks or different keys have no sum.
        quantity = add(row.quantity for row in rest) if self.is_additive else None
        row = Row(
            other, quantity, add(row.amount for row in rest), sum(r.count for r in rest)
        )
        return replace(self, groups=(*self.groups[:limit], row))


class SaasUsageEvidence(models.AbstractModel):
    _inherit = "saas.usage.evidence"

    def _get_usage_breakdown(self):
        """Take the charge apart by tier, day and dimension, from its own evidence.

        An adjustment is shown with all of its period: what it led to.

        :return: ``Breakdown`` in the language of the environment
        """
        self.ensure_one()
        price, details = self._get_usage_price(), self.details
        unit = to_decimal(self.currency_id.rounding)
        measured = self._measure_usage_days()
        days, quantities = list(measured), [one.quantity for one in measured.values()]
        free = Decimal(details["free"])
        layers = [Layer(free)] if free else []
        names = [price._describe_free(details)] if free else []
        for tier in details["tiers"]:
            layers.append(Layer(Decimal(tier["quantity"]), Decimal(tier["amount"])))
            names.append(price._describe_tier(details, tier))
        cells = fill(layers, quantities, unit)
        steps = self._get_usage_steps(price)
        changes = add(row.amount for row in steps)
        amount = add([changes, *(layer.amount for layer in layers)])
        tiers = tuple(
            Row(name, layer.quantity, layer.amount, rows=self._get_cell_rows(own, days))
            for number, (name, layer) in enumerate(zip(names, layers, strict=True))
            for own in [[cell for cell in cells if cell.layer == number]]
        )
        amounts = rate_days(cells, changes, quantities, unit)
        rows = tuple(
            Row("", one.quantity, part, one.count, day)
            for (day, one), part in zip(measured.items(), amounts, strict=True)
        )
        whole = Decimal(details["quantity"])
        return Breakdown(
            amount,
            whole,
            details.get("unit") or "",
            tiers + steps,
            rows or self._get_rows_without_usage(amount),
            self._get_usage_groups(amount, unit),
            not rows or add(quantities) == whole,
        )

    def _get_usage_steps(self, price):
        """Return discount, limits and credits as rows without units."""
        labels = price._get_step_labels()
        return tuple(
            Row(labels.get(step["step"], step["step"]), None, Decimal(step["amount"]))
            for step in self.details["steps"]
        )

    def _get_cell_rows(self, cells, days):
        """Return what days have of a tier."""
        return tuple(
            Row("", cell.quantity, cell.amount, day=days[cell.day]) for cell in cells
        )

    def _get_rows_without_usage(self, amount):
        return (Row(self.env._("Without usage"), ZERO, amount, 0),) if amount else ()

    def _get_usage_groups(self, amount, unit):
        """Return what each group of the meter's dimensions has of an amount.

        All units cost the same here: the average.
        """
        dimensions = self._get_usage_price().meter_id.dimension_ids
        if not dimensions:
            return ()
        groups = sorted(
            self._measure_usage(by_dimension=True).items(),
            key=lambda one: (-one[1].quantity, one[0]),
        )
        amounts = spread(amount, [one.quantity for _texts, one in groups], unit)
        return tuple(
            Row(dimensions._describe(texts), one.quantity, part, one.count, texts=texts)
            for (texts, one), part in zip(groups, amounts, strict=True)
        )
