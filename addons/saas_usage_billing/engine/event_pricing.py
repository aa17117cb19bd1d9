# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices that need more than a quantity: amounts, events one by one, or changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .errors import QuantityError
from .models import dynamic, percentage, prorated_graduated
from .models.percentage import PercentageTerms
from .models.prorated_graduated import ProratedUnits
from .money import CONTEXT, ZERO, add, percent_of, subtract, times
from .tiers import RatedLine, Tier

#: Models that price something else than the quantity.
EVENT_MODELS = frozenset({"dynamic", "prorated_graduated"})


@dataclass(frozen=True, slots=True)
class Usage:
    """What a price is put on.

    ``amount``: what the events carry, for ``dynamic``; None when some carry none.
    ``amounts``: of each event in their order, for a percentage with terms per event.
    ``changes`` of a level in order of time, for ``prorated_graduated``. ``windows``:
    quantities that are priced one by one. What a price does not need is not read.
    """

    quantity: Decimal
    amount: Decimal | None = None
    amounts: Iterable[Decimal] = field(default=(), compare=False)
    changes: Iterable[ProratedUnits] = field(default=(), compare=False)
    windows: Sequence[Decimal] = ()


@dataclass(frozen=True, slots=True)
class Priced:
    """Lines of a price, before discount and limits of the period.

    ``total`` and ``billable`` are units, None: those of the usage. ``limits``: what
    minimum and maximum per event add to the lines.
    """

    lines: tuple[RatedLine, ...]
    total: Decimal | None = None
    billable: Decimal | None = None
    limits: Decimal = ZERO


def price_amount(usage: Usage, multiplier: Decimal) -> Priced:
    """Price what the events carry.

    :param usage: with its amount
    :param multiplier: factor on it
    :return: one line whose ``unit`` is the average of a unit, to 12 places
    :raise QuantityError: no amount, or a negative one
    """
    if usage.amount is None:
        raise QuantityError("events without an amount")
    amount, _count = dynamic.price([usage.amount], multiplier)
    unit = round(dynamic.unit_amount(amount, usage.quantity), 12)
    line = RatedLine(ZERO, None, usage.quantity, unit, ZERO, amount)
    return Priced((line,) if usage.quantity or amount else ())


def price_changes(usage: Usage, tiers: Sequence[Tier]) -> Priced:
    """Price the changes of a level.

    :param usage: with its changes
    :param tiers: see ``prorated_graduated.price``
    """
    return Priced(tuple(prorated_graduated.price(usage.changes, tiers)))


def price_events(
    usage: Usage, terms: PercentageTerms, divide_by: Decimal = Decimal(1)
) -> Priced:
    """Price every event on its own: rate, fixed fee, allowances and limits.

    :param usage: with the amounts of its events
    :param terms: see ``percentage.price``
    :param divide_by: units of an amount that make one of the price
    :return: one line: the rate on what is charged, and the fixed fees
    :raise QuantityError: a negative amount
    """
    total = charged = fees = ZERO
    count = 0
    amounts = usage.amounts
    if divide_by != 1:
        amounts = (CONTEXT.divide(amount, divide_by) for amount in amounts)
    for event in percentage.charge(amounts, terms):
        total = add((total, event.amount))
        charged = add((charged, event.charged))
        fees = add((fees, event.fee))
        count += event.is_paid
    flat = times(terms.fixed, Decimal(count))
    asked = add((percent_of(charged, terms.rate), flat))
    line = RatedLine(ZERO, None, charged, terms.rate, flat, asked)
    lines = (line,) if charged or asked else ()
    return Priced(lines, total, charged, subtract(fees, asked))
