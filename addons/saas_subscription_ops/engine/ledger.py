# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The charge ledger's side: what a charge is, and proposed minus booked.

:func:`difference` compares what is due with what the ledger holds and returns what is
still to book. Running it again returns nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from .errors import TermsError
from .money import CONTEXT, ZERO, total

RECURRING = "recurring"
ONE_TIME = "one_time"
USAGE = "usage"
ADJUSTMENT = "adjustment"
CREDIT = "credit"
ADVANCE = "advance"
ARREARS = "arrears"


@dataclass(frozen=True, slots=True)
class ProposedCharge:
    """A charge that should be in the ledger: signed amount, rounded to the currency.

    ``revision`` 0 is the first booking of a ref, later ones are adjustments. An
    adjustment has kind ``adjustment``; ``details["adjusts"]`` is the kind it corrects.
    """

    ref: str
    kind: str
    line_id: int | str | None
    service_start: date
    service_end: date
    quantity: Decimal
    amount: Decimal
    price_unit: Decimal = ZERO
    timing: str = ADVANCE
    description: str = ""
    revision: int = 0
    details: Mapping[str, object] = field(default_factory=dict, hash=False)

    def as_booked(self) -> "BookedCharge":
        """Return the row that booking this charge would add to the ledger."""
        return BookedCharge(
            ref=self.ref,
            amount=self.amount,
            quantity=self.quantity,
            revision=self.revision,
            service_start=self.service_start,
            service_end=self.service_end,
            kind=base_kind(self.kind, self.details),
            line_id=self.line_id,
            timing=self.timing,
            description=self.description,
        )


@dataclass(frozen=True, slots=True)
class BookedCharge:
    """A row of the charge ledger, as far as the subtraction needs it.

    ``kind`` of an adjustment or credit row is the kind it changes, see
    :func:`base_kind`.
    """

    ref: str
    amount: Decimal
    quantity: Decimal = ZERO
    revision: int = 0
    service_start: date | None = None
    service_end: date | None = None
    kind: str = RECURRING
    line_id: int | str | None = None
    timing: str = ADVANCE
    description: str = ""


def base_kind(kind: str, details: Mapping[str, object]) -> str:
    """Return what a charge is about: its own kind, or the one it changes.

    :param kind: kind of the charge
    :param details: ``adjusts`` of an adjustment or credit names the kind it changes; a
        credit without it reduces recurring charges
    :return: kind
    """
    if kind not in (ADJUSTMENT, CREDIT):
        return kind
    return str(details.get("adjusts", RECURRING if kind == CREDIT else kind))


def order_key(charge: ProposedCharge) -> tuple[date, str, int]:
    """Return the sort key of charges: service start, ref, revision."""
    return charge.service_start, charge.ref, charge.revision


def is_due(
    timing: str, start: date, end: date, cutoff: date, grace_days: int = 0
) -> bool:
    """Return whether a service period is to be charged before a cut-off.

    :param timing: ``advance`` or ``arrears``
    :param start: first day of the service
    :param end: exclusive end of the service
    :param cutoff: exclusive end of what is billed
    :param grace_days: days that arrears wait after their end
    :return: ``start < cutoff`` in advance, ``end + grace <= cutoff`` in arrears
    """
    if timing == ARREARS:
        return end + timedelta(days=grace_days) <= cutoff
    return start < cutoff


def difference(
    proposed: Iterable[ProposedCharge],
    booked: Iterable[BookedCharge],
    cutoff: date | None = None,
    grace_days: int = 0,
) -> list[ProposedCharge]:
    """Return what has to be booked so that the ledger equals the proposal.

    A ref without bookings is new (revision 0). A changed amount or quantity gives an
    adjustment of the next revision, dated within the original service period: on the
    days that were added or dropped when one end moved, else on the whole of it. A
    booked ref that is no longer proposed is reversed in full. A credit never exceeds
    what is booked under its ref.

    :param proposed: everything due, from :func:`propose` and the usage rating
    :param booked: every ledger row of the same scope; leave out, on both sides, what
        is held back (for example usage of a late feed)
    :param cutoff: the cut-off of the proposal; rows due only later (booked by a run
        with a later cut-off) are left alone. None: the proposal is complete
    :param grace_days: those of the plan
    :return: new charges and adjustments by service start, then ref
    :raise TermsError: the same ref proposed twice
    """
    wanted: dict[str, ProposedCharge] = {}
    for charge in proposed:
        if charge.ref in wanted:
            raise TermsError(f"proposed twice: {charge.ref}")
        wanted[charge.ref] = charge
    ledger: dict[str, list[BookedCharge]] = defaultdict(list)
    for row in booked:
        ledger[row.ref].append(row)
    result = [charge for ref, charge in wanted.items() if ref not in ledger]
    for ref, rows in ledger.items():
        rows.sort(key=lambda row: row.revision)
        adjusted = _adjust(wanted.get(ref), rows, cutoff, grace_days)
        if adjusted is not None:
            result.append(adjusted)
    return sorted(result, key=order_key)


def _adjust(
    wanted: ProposedCharge | None,
    rows: Sequence[BookedCharge],
    cutoff: date | None,
    grace_days: int,
) -> ProposedCharge | None:
    """Return the adjustment that brings one ref's rows to the wanted charge."""
    first = _opening(rows)
    if wanted is None and not _was_due(first, cutoff, grace_days):
        return None
    amount_booked = total(row.amount for row in rows)
    quantity_booked = total(row.quantity for row in rows)
    amount = wanted.amount if wanted else ZERO
    quantity = wanted.quantity if wanted else ZERO
    # The sign of the first booking counts, not that of the balance: a ref that was
    # credited down to zero stays there however often it is billed.
    sign = next((row.amount for row in rows if row.amount), ZERO)
    if sign > 0:
        amount = max(amount, ZERO)  # never give back more than was charged
    elif sign < 0:
        amount = min(amount, ZERO)  # nor take back more than was given
    if (amount, quantity) == (amount_booked, quantity_booked):
        return None
    if wanted and not (amount_booked or quantity_booked):
        # reversed in full before, for example by a pause: charged anew where it is now
        service = wanted.service_start, wanted.service_end
    else:
        service = _adjusted_days(wanted, first)
    return ProposedCharge(
        ref=first.ref,
        kind=ADJUSTMENT,
        line_id=wanted.line_id if wanted else first.line_id,
        service_start=service[0],
        service_end=service[1],
        quantity=CONTEXT.subtract(quantity, quantity_booked),
        amount=CONTEXT.subtract(amount, amount_booked),
        price_unit=wanted.price_unit if wanted else ZERO,
        timing=wanted.timing if wanted else first.timing,
        description=wanted.description if wanted else first.description,
        revision=rows[-1].revision + 1,
        details={
            **(wanted.details if wanted else {}),
            "adjusts": base_kind(wanted.kind, wanted.details)
            if wanted
            else base_kind(first.kind, {}),
            "amount_before": str(amount_booked),
            "amount_after": str(amount),
        },
    )


def _opening(rows: Sequence[BookedCharge]) -> BookedCharge:
    """Return the row a ref's present life began with: the one after its last zero."""
    opening, amount, quantity = rows[0], ZERO, ZERO
    for row in rows:
        if not (amount or quantity):
            opening = row
        amount = CONTEXT.add(amount, row.amount)
        quantity = CONTEXT.add(quantity, row.quantity)
    return opening


def _was_due(row: BookedCharge, cutoff: date | None, grace_days: int) -> bool:
    """Return whether a booked row lies within what a cut-off looks at."""
    if cutoff is None or row.service_start is None or row.service_end is None:
        return True
    timing = ARREARS if row.kind == USAGE else row.timing
    return is_due(timing, row.service_start, row.service_end, cutoff, grace_days)


def _adjusted_days(
    wanted: ProposedCharge | None, first: BookedCharge
) -> tuple[date, date]:
    """Return the service days an adjustment stands for."""
    if first.service_start is None or first.service_end is None:
        if wanted is None:
            raise TermsError(f"booked without service dates: {first.ref}")
        return wanted.service_start, wanted.service_end
    start, end = first.service_start, first.service_end
    if wanted is None:
        return start, end
    moved_start, moved_end = wanted.service_start, wanted.service_end
    if start == moved_start and end != moved_end:
        return min(end, moved_end), max(end, moved_end)
    if end == moved_end and start != moved_start:
        return min(start, moved_start), max(start, moved_start)
    return start, end
