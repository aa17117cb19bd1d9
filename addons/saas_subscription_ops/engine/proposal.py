# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Propose every charge due since the beginning.

Billing is ``proposed - booked = new``. :func:`propose` prices every line interval up
to a cut-off under a deterministic ``ref``; :func:`.ledger.difference` compares with
the charge ledger and returns what is still to book.

Cut-off rule (the cut-off is a date and exclusive): an advance or one-time charge is
due when its service starts before the cut-off, an arrears charge when its service
ends on or before the cut-off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .coupon import CouponTerms, Discountable, discounts
from .errors import TermsError
from .ledger import (
    ADVANCE,
    ARREARS,
    CREDIT,
    ONE_TIME,
    RECURRING,
    ProposedCharge,
    is_due,
    order_key,
)
from .money import CONTEXT, ZERO, discounted, round_money, total
from .period import Period, Recurrence, aligned_anchor, grid_index, periods
from .proration import check_policy, slice_amount
from .service import Pause, ServiceCalendar


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan says about dates and money.

    ``start`` is the first day of the subscription: lines that start with it are priced
    from there even when a policy of ``none`` would charge them only at the next
    period; by default the earliest start of a line.
    ``pauses``: see :mod:`.service`. ``grace_days``: arrears become due so many days
    after their period ended.

    :raise TermsError: rounding unit not positive, pauses that overlap or that extend
        periods of a calendar-aligned plan, negative grace
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
    pauses: tuple[Pause, ...] = ()
    grace_days: int = 0

    def __post_init__(self) -> None:
        check_policy(self.proration)
        ServiceCalendar(self.pauses)
        if self.alignment == "calendar" and any(
            pause.mode == "extend" for pause in self.pauses
        ):
            raise TermsError("a calendar-aligned plan can't be extended by a pause")
        if self.grace_days < 0:
            raise TermsError(f"negative grace: {self.grace_days}")
        aligned_anchor(self.anchor, self.recurrence.unit, self.alignment)
        if not self.rounding.is_finite() or self.rounding <= 0:
            raise TermsError(f"rounding unit must be positive: {self.rounding}")


@dataclass(frozen=True, slots=True)
class LineTerms:
    """One subscription line with its effective interval ``[date_start, date_end)``.

    ``price_unit`` is the price of one unit for one whole period, ``discount`` a
    percentage. A line without days (``date_end <= date_start``) is never charged.
    ``recurrence``: the line's own one, None: that of the plan. ``keep_last_period``:
    a line in advance that ends within a period is charged for all of it, unless it
    ends while it is paused.

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
    recurrence: Recurrence | None = None
    keep_last_period: bool = False

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


def propose(
    plan: PlanTerms,
    lines: Iterable[LineTerms],
    cutoff: date,
    coupons: Iterable[CouponTerms] = (),
) -> list[ProposedCharge]:
    """Price everything that is due before a cut-off, since the beginning.

    :param plan: calendar and money terms
    :param lines: all lines the subscription ever had
    :param cutoff: exclusive; see the module's cut-off rule
    :param coupons: applied one after the other to what the ones before left
    :return: charges by service start, then ref; one per line and plan period, and one
        per coupon, line and period
    :raise TermsError: the same line or coupon id twice
    """
    lines, coupons = list(lines), list(coupons)
    for ids in ([x.line_id for x in lines], [x.coupon_id for x in coupons]):
        if len(set(ids)) != len(ids):
            raise TermsError("a line or coupon id occurs twice")
    start = plan.start or min((line.date_start for line in lines), default=None)
    calendar = ServiceCalendar(plan.pauses)
    charges: list[ProposedCharge] = []
    candidates: list[_Candidate] = []
    for line in lines:
        if not line.has_days or start is None:
            continue
        if line.kind == ONE_TIME:
            charges.extend(_one_time(plan, line, cutoff))
        else:
            candidates.extend(_recurring(plan, line, start, cutoff, calendar))
    charges.extend(one.charge for one in candidates if one.charge is not None)
    if coupons and start is not None:
        charges.extend(_discount(plan, start, coupons, candidates, calendar))
    return sorted(charges, key=order_key)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A recurring price of one line and plan period.

    ``recurrence`` and ``full_start`` say where it lies in the line's calendar of served
    days; ``charge`` is None while it is not due.
    """

    ref: str
    line_id: int | str
    recurrence: Recurrence
    full_start: date
    amount: Decimal
    charge: ProposedCharge | None


def _one_time(
    plan: PlanTerms, line: LineTerms, cutoff: date
) -> Iterator[ProposedCharge]:
    """Yield the single charge of a one-time line, at its start date."""
    end = line.date_end or line.date_start + timedelta(days=1)
    if is_due(line.timing, line.date_start, end, cutoff, plan.grace_days):
        amount = round_money(line.period_amount, plan.rounding)
        ref = f"{ONE_TIME}:{line.line_id}"
        yield _charge(line, ref, (line.date_start, end), amount, {})


def _recurring(
    plan: PlanTerms,
    line: LineTerms,
    start: date,
    cutoff: date,
    calendar: ServiceCalendar,
) -> Iterator[_Candidate]:
    """Yield one price per plan period the line is effective in.

    All of the plan periods that begin before the cut-off are priced, due or not: an
    amount coupon is shared out over a whole period, whatever the cut-off.
    """
    recurrence = line.recurrence or plan.recurrence
    until = cutoff if line.date_end is None else min(cutoff, line.date_end)
    first = calendar.served(min(start, line.date_start))
    grid = periods(
        plan.anchor, recurrence, first, calendar.served(until), plan.alignment
    )
    for period in grid:
        served = _served(line, period, calendar)
        if served is None:
            continue
        parts = calendar.charged_parts(served.start, served.end)
        if not parts:
            continue
        days = _real_days(line.timing, parts, calendar)
        if plan.proration == "none":
            # a short first period costs the whole, a line added later waits
            if served.start > period.start:
                continue
            parts = [(period.full_start, period.full_end)]
        amount = total(
            slice_amount(
                line.period_amount,
                Period(*part, period.full_start, period.full_end),
                plan.proration,
                plan.rounding,
                plan.tz,
            )
            for part in parts
        )
        ref = f"{RECURRING}:{line.line_id}:{period.full_start.isoformat()}"
        charge = None
        if days is not None and is_due(line.timing, *days, cutoff, plan.grace_days):
            details = _part_details(period, served, parts)
            charge = _charge(line, ref, days, amount, details)
        yield _Candidate(
            ref, line.line_id, recurrence, period.full_start, amount, charge
        )


def _served(
    line: LineTerms, period: Period, calendar: ServiceCalendar
) -> Period | None:
    """Return the part of a plan period in which the line is effective."""
    start = max(period.start, calendar.served(line.date_start))
    end = period.end
    if line.date_end is not None:
        line_end = calendar.served(line.date_end)
        if line_end <= period.start or line_end <= start:
            return None
        if line_end < end and not _keeps_rest(line, start, line_end, calendar):
            end = line_end
    if end <= start:
        return None
    return Period(start, end, period.full_start, period.full_end)


def _keeps_rest(
    line: LineTerms, start: date, line_end: date, calendar: ServiceCalendar
) -> bool:
    """Return whether a line stays charged from its end to the end of its period."""
    if not line.keep_last_period or line.timing != ADVANCE:
        return False
    # A line that ends while it is paused was credited for the rest: ending it must not
    # charge that again.
    parts = calendar.charged_parts(start, line_end)
    return bool(parts) and parts[-1][1] == line_end


def _real_days(
    timing: str, parts: list[tuple[date, date]], calendar: ServiceCalendar
) -> tuple[date, date] | None:
    """Return the real days of service, None when they are not known yet."""
    start = calendar.real_start(parts[0][0])
    end = calendar.real_end(parts[-1][1])
    if start is None or (end is None and timing == ARREARS):
        return None
    # While an extending pause goes on nobody knows the end of a period paid in
    # advance: the end it would have without the pause stands for it.
    return start, end or start + (parts[-1][1] - parts[0][0])


def _part_details(
    period: Period, served: Period, parts: list[tuple[date, date]]
) -> dict[str, object]:
    """Return why a charge is not for a whole period, in days; empty when it is."""
    whole = (period.full_end - period.full_start).days
    charged = sum((end - start).days for start, end in parts)
    if charged == whole:
        return {}
    details: dict[str, object] = {"period_days": whole, "served_days": charged}
    paused = (served.end - served.start).days - charged
    if paused > 0:
        details["paused_days"] = paused
    return details


def _discount(
    plan: PlanTerms,
    start: date,
    coupons: Sequence[CouponTerms],
    candidates: Iterable[_Candidate],
    calendar: ServiceCalendar,
) -> Iterator[ProposedCharge]:
    """Yield what the coupons take off the recurring charges that are due."""
    by_ref = {one.ref: one for one in sorted(candidates, key=lambda one: one.ref)}
    left = {ref: one.amount for ref, one in by_ref.items()}
    for coupon in coupons:
        rows = [
            Discountable(
                ref,
                one.line_id,
                one.full_start,
                one.amount,
                one.recurrence == plan.recurrence,
                _coupon_number(
                    plan, start, coupon, one.recurrence, one.full_start, calendar
                ),
            )
            for ref, one in by_ref.items()
        ]
        for ref, amount in discounts(coupon, rows, left, plan.rounding).items():
            charge = by_ref[ref].charge
            if charge is not None:
                yield _coupon_charge(coupon, charge, by_ref[ref].full_start, amount)


def coupon_applies(
    plan: PlanTerms, coupon: CouponTerms, recurrence: Recurrence | None, day: date
) -> bool:
    """Return whether a coupon reduces the period that contains a day.

    :param plan: calendar terms with a ``start``
    :param coupon: terms
    :param recurrence: of the line, None: the plan's
    :param day: real date
    """
    calendar = ServiceCalendar(plan.pauses)
    recurrence = recurrence or plan.recurrence
    start = plan.start or plan.anchor
    period = next(
        periods(plan.anchor, recurrence, calendar.served(day), date.max, plan.alignment)
    )
    number = _coupon_number(
        plan, start, coupon, recurrence, period.full_start, calendar
    )
    return coupon.counts_in(number)


def _coupon_number(
    plan: PlanTerms,
    start: date,
    coupon: CouponTerms,
    recurrence: Recurrence,
    full_start: date,
    calendar: ServiceCalendar,
) -> int:
    """Return the number of a period seen from the coupon's first one.

    Negative for periods before it and, of a coupon with an end, from there on.
    """
    begin = max(full_start, calendar.served(start))
    if coupon.date_end and begin >= calendar.served(coupon.date_end):
        return -1
    origin = aligned_anchor(plan.anchor, recurrence.unit, plan.alignment)
    granted = calendar.served(coupon.date_start)
    first = grid_index(origin, recurrence, granted)
    number = grid_index(origin, recurrence, full_start)
    opening = grid_index(origin, recurrence, calendar.served(start))
    if first == opening:
        # The first period begins with the subscription, wherever its grid began.
        begins = granted <= calendar.served(start)
    else:
        begins = (
            first < opening
            or granted
            <= next(periods(origin, recurrence, granted, date.max)).full_start
        )
    first = max(first if begins else first + 1, opening)
    return number - first


def _coupon_charge(
    coupon: CouponTerms, charge: ProposedCharge, full_start: date, amount: Decimal
) -> ProposedCharge:
    start = full_start.isoformat()
    return ProposedCharge(
        ref=f"coupon:{coupon.coupon_id}:{charge.line_id}:{start}",
        kind=CREDIT,
        line_id=charge.line_id,
        service_start=charge.service_start,
        service_end=charge.service_end,
        quantity=Decimal(1),
        amount=-amount,
        price_unit=-amount,
        timing=charge.timing,
        description=charge.description,
        details={
            "adjusts": RECURRING,
            "coupon": coupon.coupon_id,
            "of": str(charge.amount),
        },
    )


def _charge(
    line: LineTerms,
    ref: str,
    service: tuple[date, date],
    amount: Decimal,
    details: Mapping[str, object],
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
        details=details,
    )
