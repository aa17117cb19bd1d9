# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Commitments per window and prepaid balances."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from .errors import TermsError
from .money import ZERO, add, check_quantity, subtract, times


@dataclass(frozen=True, slots=True)
class Window:
    """A priced window of time and what was promised for it.

    ``cost`` is the price of its usage; ``commit`` the promised amount, None: the window
    lies outside the commitment. ``true_up``: what is missing to it is charged.
    """

    cost: Decimal
    commit: Decimal | None = None
    true_up: bool = False


def window_amount(window: Window, overage_factor: Decimal = Decimal(1)) -> Decimal:
    """Price a window under its commitment.

    :param window: cost and commitment, both >= 0
    :param overage_factor: what the cost above the commitment is multiplied with, >= 0
    :return: exact amount: the commitment and the overage, or what was used, lifted to
        the commitment where the window is trued up
    :raise QuantityError: a negative cost, commitment or factor
    """
    check_quantity(window.cost, "cost")
    check_quantity(overage_factor, "overage factor")
    if window.commit is None:
        return window.cost
    check_quantity(window.commit, "commitment")
    overage = subtract(window.cost, window.commit)
    if overage > 0:
        return add((window.commit, times(overage, overage_factor)))
    return window.commit if window.true_up else window.cost


def windows_amount(
    windows: Iterable[Window], overage_factor: Decimal = Decimal(1)
) -> Decimal:
    """Price all windows of a period, each on its own.

    :param windows: see :func:`window_amount`
    :param overage_factor: see :func:`window_amount`
    :return: exact sum
    """
    return add(window_amount(window, overage_factor) for window in windows)


def pay(balance: Decimal, amount: Decimal) -> tuple[Decimal, Decimal]:
    """Pay an amount from a prepaid balance, as far as it goes.

    :param balance: prepaid money >= 0
    :param amount: what is due, tax included; zero or less leaves the balance alone
    :return: what was paid and the new balance
    :raise QuantityError: negative balance
    """
    check_quantity(balance, "balance")
    paid = min(balance, max(amount, ZERO))
    return paid, subtract(balance, paid)


def roll_over(balance: Decimal, least: Decimal, most: Decimal) -> Decimal:
    """Return the balance of a grant after a reset.

    :param balance: balance before it
    :param least: what it is lifted to, >= 0
    :param most: what it is cut to
    :return: a balance between ``least`` and ``most``
    :raise TermsError: ``least`` above ``most``
    """
    if least > most:
        raise TermsError(f"can't keep at least {least} and at most {most}")
    return min(most, max(least, balance))
