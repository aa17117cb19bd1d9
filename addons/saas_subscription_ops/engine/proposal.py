# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Propose every charge due since the beginning, and subtract what is booked.

Billing is ``proposed - booked = new``. :func:`propose` prices every line interval up
to a cut-off under a deterministic ``ref``; :func:`difference` compares with the charge
ledger and returns what is still to book. Running it again returns nothing.

Cut-off rule (the cut-off is a date and exclusive): an advance or one-time charge is
due when its service starts before the cut-off, an arrears charge when its service
ends on or before the cut-off.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from .errors import TermsError
from .money import CONTEXT, ZERO, discounted, round_money, total
from .period import Period, Recurrence, aligned_anchor, periods
from .proration import check_policy, slice_amount

RECURRING = "recurring"
ONE_TIME = "one_time"
USAGE = "usage"
ADJUSTMENT = "adjustment"
ADVANCE = "advance"
ARREARS = "arrears"


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan says about dates and money.

    ``start`` is the first day of the subscription: lines that start with it are priced
    from there even when a policy of ``none`` would charge them only at the next
    period; by default the earliest start of a line.

    :raise TermsError: rounding unit not positive
    :raise ProrationError: unknown proration policy
    :raise PeriodError: unknown alignment
    """

    anchor: date
    recurrence: Recurrence = Recurrence()
    alignment: str = "anniversary"
    proration: str = "day"
    rounding: Decimal = Decimal("0.01")
    tz: str = "UTC"
    start: date | None = None

    def __post_init__(self) -> None:
        check_policy(self.proration)
        aligned_anchor(self.anchor, self.recurrence.unit, self.alignment)
        if not self.rounding.is_finite() or self.rounding <= 0:
            raise TermsError(f"rounding unit must be positive: {self.rounding}")


@dataclass(frozen=True, slots=True)
class LineTerms:
    """One subscription line with its effective interval ``[date_start, date_end)``.

    ``price_unit`` is the price of one unit for one whole period, ``discount`` a
    percentage. A line without days (``date_end <= date_start``) is never charged.

    :raise TermsError: unknown kind or timing, negative quantity, discount outside
        0 to 100
    """

    line_id: int | str
    quantity: Decimal
    price_unit: Decimal
    date_start: date
    date_end: date | None = None
    kind: str = RECURRING
    timing: str = ADVANCE
    discount: Decimal = ZERO
    description: str = ""

    def __post_init__(self) -> None:
        if self.kind not in (RECURRING, ONE_TIME):
            raise TermsError(f"line {self.line_id}: unknown kind {self.kind}")
        if self.timing not in (ADVANCE, ARREARS):
            raise TermsError(f"line {self.line_id}: unknown timing {self.timing}")
        if not self.quantity.is_finite() or self.quantity < 0:
            raise TermsError(f"line {self.line_id}: quantity {self.quantity}")
        if not self.price_unit.is_finite():
            raise TermsError(f"line {self.line_id}: price {self.price_unit}")
        if not ZERO <= self.discount <= 100:
            raise TermsError(f"line {self.line_id}: discount {self.discount} percent")

    @property
    def has_days(self) -> bool:
        """Return whether the line is effective on at least one day."""
        return self.date_end is None or self.date_end > self.date_start

    @property
    def period_amount(self) -> Decimal:
        """Return the price of a whole period, unrounded."""
        gross = CONTEXT.multiply(self.quantity, self.price_unit)
        return discounted(gross, self.discount)


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


@dataclass(frozen=True, slots=True)
class BookedCharge:
    """A row of the charge ledger, as far as the subtraction needs it.

    ``kind`` of an adjustment row is the kind it adjusts, or ``adjustment``.
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


def is_due(timing: str, start: date, end: date, cutoff: date) -> bool:
    """Return whether a service period is to be charged before a cut-off.

    :param timing: ``advance`` or ``arrears``
    :param start: first day of the service
    :param end: exclusive end of the service
    :param cutoff: exclusive end of what is billed
    :return: ``start < cutoff`` in advance, ``end <= cutoff`` in arrears
    """
    return end <= cutoff if timing == ARREARS else start < cutoff


def propose(
    plan: PlanTerms, lines: Iterable[LineTerms], cutoff: date
) -> list[ProposedCharge]:
    """Price everything that is due before a cut-off, since the beginning.

    :param plan: calendar and money terms
    :param lines: all lines the subscription ever had
    :param cutoff: exclusive; see the module's cut-off rule
    :return: charges by service start, then ref; one per line and plan period
    :raise TermsError: the same line id twice
    """
    lines = list(lines)
    ids = [line.line_id for line in lines]
    if len(set(ids)) != len(ids):
        raise TermsError("a line id occurs twice")
    charges: list[ProposedCharge] = []
    start = plan.start or min((line.date_start for line in lines), default=None)
    for line in lines:
        if not line.has_days or start is None:
            continue
        if line.kind == ONE_TIME:
            charges.extend(_one_time(plan, line, cutoff))
        else:
            charges.extend(_recurring(plan, line, start, cutoff))
    return sorted(charges, key=_order)


def _order(charge: ProposedCharge) -> tuple[date, str, int]:
    return charge.service_start, charge.ref, charge.revision


def _one_time(
    plan: PlanTerms, line: LineTerms, cutoff: date
) -> Iterator[ProposedCharge]:
    """Yield the single charge of a one-time line, at its start date."""
    end = line.date_end or line.date_start + timedelta(days=1)
    if is_due(line.timing, line.date_start, end, cutoff):
        amount = round_money(line.period_amount, plan.rounding)
        ref = f"{ONE_TIME}:{line.line_id}"
        yield _charge(line, ref, (line.date_start, end), amount)


def _recurring(
    plan: PlanTerms, line: LineTerms, start: date, cutoff: date
) -> Iterator[ProposedCharge]:
    """Yield one charge per plan period the line is effective in."""
    until = cutoff if line.date_end is None else min(cutoff, line.date_end)
    first = min(start, line.date_start)
    calendar = periods(plan.anchor, plan.recurrence, first, until, plan.alignment)
    for period in calendar:
        served = _served(line, period)
        if served is None or not is_due(line.timing, served.start, served.end, cutoff):
            continue
        if plan.proration == "none":
            # a short first period costs the whole, a line added later waits
            served = Period(served.start, served.end, period.start, period.full_end)
            if served.start > period.start:
                continue
        amount = slice_amount(
            line.period_amount, served, plan.proration, plan.rounding, plan.tz
        )
        ref = f"{RECURRING}:{line.line_id}:{period.full_start.isoformat()}"
        yield _charge(line, ref, (served.start, served.end), amount)


def _served(line: LineTerms, period: Period) -> Period | None:
    """Return the part of a plan period in which the line is effective."""
    start = max(period.start, line.date_start)
    end = period.end if line.date_end is None else min(period.end, line.date_end)
    if end <= start:
        return None
    return Period(start, end, period.full_start, period.full_end)


def _charge(
    line: LineTerms, ref: str, service: tuple[date, date], amount: Decimal
) -> ProposedCharge:
    return ProposedCharge(
        ref=ref,
        kind=line.kind,
        line_id=line.line_id,
        service_start=service[0],
        service_end=service[1],
        quantity=line.quantity,
        amount=amount,
        price_unit=line.price_unit,
        timing=line.timing,
        description=line.description,
    )


def difference(
    proposed: Iterable[ProposedCharge],
    booked: Iterable[BookedCharge],
    cutoff: date | None = None,
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
        adjusted = _adjust(wanted.get(ref), rows, cutoff)
        if adjusted is not None:
            result.append(adjusted)
    return sorted(result, key=_order)


def _adjust(
    wanted: ProposedCharge | None, rows: Sequence[BookedCharge], cutoff: date | None
) -> ProposedCharge | None:
    """Return the adjustment that brings one ref's rows to the wanted charge."""
    first = rows[0]
    if wanted is None and not _was_due(first, cutoff):
        return None
    amount_booked = total(row.amount for row in rows)
    quantity_booked = total(row.quantity for row in rows)
    amount = wanted.amount if wanted else ZERO
    quantity = wanted.quantity if wanted else ZERO
    if amount_booked > 0:
        amount = max(amount, ZERO)  # never give back more than was charged
    if (amount, quantity) == (amount_booked, quantity_booked):
        return None
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
            "adjusts": wanted.kind if wanted else first.kind,
            "amount_before": str(amount_booked),
            "amount_after": str(amount),
        },
    )


def _was_due(row: BookedCharge, cutoff: date | None) -> bool:
    """Return whether a booked row lies within what a cut-off looks at."""
    if cutoff is None or row.service_start is None or row.service_end is None:
        return True
    timing = ARREARS if row.kind == USAGE else row.timing
    return is_due(timing, row.service_start, row.service_end, cutoff)


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
