# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prepaid credits: which grant pays, what is given back, what a balance really is."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .commitment import pay
from .errors import TermsError
from .money import ZERO, add, check_quantity, subtract

#: A grant and a part of an amount.
Use = tuple[int, Decimal]


@dataclass(frozen=True, slots=True)
class Grant:
    """Prepaid money with terms of its own.

    ``remaining`` is what may still be used, >= 0. Valid on the days
    ``[start, expiry)``; None: without that bound. A lower ``priority`` is used first,
    promotional money (``paid`` False) before paid money of the same priority.
    """

    id: int
    remaining: Decimal
    priority: int = 50
    paid: bool = True
    start: date | None = None
    expiry: date | None = None

    def covers(self, service: tuple[date, date] | None) -> bool:
        """Return whether the grant may pay for a service.

        :param service: half-open dates of it, None: whatever its time
        """
        if service is None:
            return True
        begins, ends = service
        return (self.start is None or self.start < ends) and (
            self.expiry is None or begins < self.expiry
        )


def _order_key(grant: Grant) -> tuple[int, bool, date, date, int]:
    return (
        grant.priority,
        grant.paid,
        grant.expiry or date.max,
        grant.start or date.min,
        grant.id,
    )


def allocate(
    amount: Decimal,
    grants: Iterable[Grant],
    service: tuple[date, date] | None = None,
) -> list[Use]:
    """Pay an amount from grants, as far as they go.

    Order: priority, promotional before paid, earliest expiry, oldest.

    :param amount: what is due; zero or less takes nothing
    :param grants: those of one wallet, in any order
    :param service: half-open dates of the service that is paid for, see ``covers``
    :return: (grant id, part) of those that pay, in the order they are used
    :raise QuantityError: a negative grant
    """
    uses = []
    rest = max(amount, ZERO)
    for grant in sorted(grants, key=_order_key):
        if not grant.covers(service):
            continue
        part, _left = pay(grant.remaining, rest)
        if part:
            uses.append((grant.id, part))
            rest = subtract(rest, part)
    return uses


def give_back(uses: Sequence[Use], amount: Decimal) -> list[Use]:
    """Give back what was used, the last used first.

    :param uses: (grant id, part) in the order they were used; parts that were given
        back since are negative and lower what the grant has paid
    :param amount: what is to be given back, >= 0
    :return: (grant id, part), every part > 0
    :raise QuantityError: a negative amount
    :raise TermsError: more than was used
    """
    check_quantity(amount, "amount given back")
    paid: dict[int, Decimal] = {}
    order: list[int] = []
    for key, part in uses:
        paid[key] = add((paid.get(key, ZERO), part))
        if part > 0:
            # The latest use counts, also of a grant that was used before.
            order = [other for other in order if other != key] + [key]
    if add(paid.values()) < amount:
        raise TermsError(f"can't give back {amount}: only {add(paid.values())} used")
    result = []
    rest = amount
    for key in reversed(order):
        part = min(paid[key], rest)
        if part > 0:
            result.append((key, part))
            rest = subtract(rest, part)
    return result


def live_balance(balance: Decimal, reserved: Decimal, unbilled: Decimal) -> Decimal:
    """Return what is left once everything used so far is billed.

    :param balance: what the ledger says
    :param reserved: what previews of invoices hold
    :param unbilled: rated usage that is neither booked nor reserved, >= 0
    :return: exact amount, below zero when more was used than is there
    :raise QuantityError: negative usage
    """
    check_quantity(unbilled, "unbilled usage")
    return subtract(subtract(balance, reserved), unbilled)


def next_expiry(start: date, expiry: date) -> date:
    """Return when what rolls over expires: after as long again.

    :param start: first day of the grant
    :param expiry: day it expires, after ``start``
    :return: as many whole months later where the grant lasted whole months, else as
        many days
    """
    months = (expiry.year - start.year) * 12 + expiry.month - start.month
    if expiry.day == start.day and months:
        later = expiry.year * 12 + expiry.month - 1 + months
        year, month = divmod(later, 12)
        last = monthrange(year, month + 1)[1]
        return date(year, month + 1, min(expiry.day, last))
    return expiry + (expiry - start)
