# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Amendments become known in any order; the money ends alike."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw
from .books import Book, by_ref, total

timeline, proposal = draw.ops.timeline, draw.ops.proposal
period, Pause = draw.ops.period, draw.ops.service.Pause
CouponTerms = draw.ops.coupon.CouponTerms
Base, Change = timeline.Base, timeline.Change
START = date(2026, 1, 1)
SPAN = 400
FAR = START + timedelta(days=SPAN + 60)
ROOTS = ("a", "b", "d")


def at(number):
    """Return a date by its distance from the start."""
    return START + timedelta(days=number)


def terms(quantity, price):
    """Return the values of a line."""
    return {"quantity": Decimal(quantity), "price": Decimal(price)}


@st.composite
def histories(build):
    """Draw chains and what happens to them, every entry on a day of its own."""
    bases = []
    for root in ROOTS[: build(st.integers(1, 3))]:
        start = build(st.integers(0, 60))
        length = build(st.none() | st.integers(30, SPAN))
        end = None if length is None else at(start + length)
        values = terms(build(st.integers(100, 120)), build(draw.prices))
        bases.append(Base(root, at(start), end, values, build(st.booleans())))
    days = iter(
        build(
            st.lists(st.integers(61, SPAN), min_size=1, max_size=7, unique=True).map(
                sorted
            )
        )
    )
    entries = []
    for day in days:
        root = build(st.sampled_from([base.root for base in bases]))
        action = build(st.sampled_from(["set", "set", "add", "add", "end", "pause"]))
        entries.append(build(one_entry(root, at(day), action)))
    return bases, entries


@st.composite
def one_entry(build, root, day, action):
    """Draw one change or a pause of at most 30 days."""
    if action == "pause":
        return day, build(st.integers(1, 30)), build(st.sampled_from(MODES))
    if action == "end":
        return Change(root, day, action, keep_last_period=build(st.booleans()))
    if action == "add":
        return Change(root, day, "add", {"quantity": Decimal(build(steps))})
    changed = build(st.sampled_from(["quantity", "price", "both"]))
    values = terms(build(st.integers(100, 120)), build(draw.prices))
    if changed != "both":
        values = {changed: values[changed]}
    return Change(root, day, "set", values)


MODES = ("credit", "extend")
steps = st.integers(-10, 10)


def with_pauses(entries):
    """Turn drawn pauses into pauses that end before the next one begins."""
    starts = sorted(entry[0] for entry in entries if isinstance(entry, tuple))
    found = []
    for entry in entries:
        if isinstance(entry, tuple):
            day, length, mode = entry
            limits = [start for start in starts if start > day]
            end = min([day + timedelta(days=length), *limits])
            entry = Pause(day, end, mode)
        found.append(entry)
    return found


plans = st.builds(
    proposal.PlanTerms,
    anchor=st.dates(date(2025, 12, 1), date(2026, 1, 31)),
    recurrence=st.sampled_from(
        [
            period.Recurrence("month", 1),
            period.Recurrence("quarter", 1),
            period.Recurrence("week", 2),
            period.Recurrence("year", 1),
        ]
    ),
    proration=st.sampled_from(draw.ops.proration.POLICIES),
    rounding=draw.roundings,
    tz=draw.zones,
    start=st.just(START),
    grace_days=st.sampled_from([0, 3]),
)
timings = st.sampled_from(["advance", "arrears"])
some_coupons = st.sampled_from(
    [
        (),
        (CouponTerms("p", "percent", Decimal("12.5"), at(40), "periods", 3),),
        (
            CouponTerms("m", "amount", Decimal(99), at(70)),
            CouponTerms("o", "percent", Decimal(50), at(0), "once"),
        ),
    ]
)


@given(plans, histories(), timings, some_coupons, st.randoms(), st.data())
def test_amendments_in_any_order_of_entry_end_alike(
    plan, history, timing, coupons, shuffle, data
) -> None:
    """Entered as it happens, mixed, or all of it backdated at the end.

    Between the entries the billing runs at cut-offs that only go forward; the final
    ledger is that of one complete proposal, per ref, per chain and in all.
    """
    bases, entries = history
    entries = with_pauses(entries)
    mixed = list(entries)
    shuffle.shuffle(mixed)
    ends = []
    for order, is_backdated in ((entries, False), (mixed, False), (mixed, True)):
        book = Book(plan, bases, timing, coupons)
        cutoff = START
        for entry in order:
            if not is_backdated:
                cutoff += timedelta(days=data.draw(st.integers(0, 90)))
                book.bill(min(cutoff, FAR))
            book.enter(entry)
        if is_backdated:
            book = Book(plan, bases, timing, coupons)
            book.bill(FAR)
            for entry in order:
                book.enter(entry)
        book.bill(FAR)
        assert by_ref(book.ledger) == book.proposed(FAR)
        ends.append((sorted(chains(book).items()), total(book.ledger)))
    assert ends[0] == ends[1] == ends[2]


def chains(book):
    """Return the booked amount per chain, without the chains at zero."""
    return {root: amount for root, amount in book.chains().items() if amount}


@given(plans, histories(), timings, some_coupons, st.randoms(), st.data())
def test_every_step_leaves_what_should_be(
    plan, history, timing, coupons, shuffle, data
) -> None:
    """After each entry: the ledger is the proposal, no line period below zero."""
    bases, entries = history
    entries = with_pauses(entries)
    shuffle.shuffle(entries)
    book = Book(plan, bases, timing, coupons)
    cutoff = START + timedelta(days=data.draw(st.integers(0, SPAN)))
    for entry in [*entries, None]:
        charged = by_ref(book.ledger)
        for charge in book.bill(cutoff):
            if charge.amount < 0 and not charge.ref.startswith("coupon"):
                assert -charge.amount <= charged[charge.ref]
        assert by_ref(book.ledger) == book.proposed(cutoff)
        if entry is not None:
            book.enter(entry)


@given(histories())
def test_segments_are_ascending_and_gapless(history) -> None:
    bases, entries = history
    changes = [entry for entry in entries if isinstance(entry, Change)]
    folded = timeline.fold(bases, changes)
    assert folded == timeline.fold(bases[::-1], changes[::-1])
    for base in bases:
        parts = folded[base.root]
        ends = [c.day for c in changes if c.root == base.root and c.action == "end"]
        ends += [base.date_end] if base.date_end else []
        assert parts[0].date_start == base.date_start
        assert parts[-1].date_end == min(ends, default=None)
        for one, two in zip(parts, parts[1:], strict=False):
            assert one.date_start < one.date_end == two.date_start
            assert not one.keep_last_period


@given(plans, histories(), timings)
def test_an_amendment_taken_back_leaves_no_trace(plan, history, timing) -> None:
    """Undone: the ledger is what it would be had the amendment never been."""
    bases, entries = history
    changes = [entry for entry in entries if isinstance(entry, Change)]
    book = Book(plan, bases, timing, changes=changes[:-1])
    book.bill(FAR)
    before = by_ref(book.ledger)
    book.changes = list(changes)
    book.bill(FAR)
    book.changes = changes[:-1]
    book.bill(FAR)
    assert by_ref(book.ledger) == before


BASE = Base("a", START, None, terms(10, 100))


def days_of(parts):
    """Return segments in short."""
    return [
        (part.date_start, part.date_end, part.values["quantity"], part.change)
        for part in parts
    ]


def test_set_add_and_end() -> None:
    changes = [
        Change("a", at(30), "add", {"quantity": Decimal(5)}, key="k2"),
        Change("a", at(10), "set", {"quantity": Decimal(20)}, key="k1"),
        Change("a", at(50), "end", key="k3", keep_last_period=True),
        Change("a", at(60), "add", {"quantity": Decimal(-500)}, key="too late"),
    ]
    (parts,) = timeline.fold([BASE], changes).values()
    assert days_of(parts) == [
        (START, at(10), 10, None),
        (at(10), at(30), 20, "k1"),
        (at(30), at(50), 25, "k2"),
    ]
    assert [part.keep_last_period for part in parts] == [False, False, True]
    assert all(part.values["price"] == 100 for part in parts)


def test_changes_of_one_day_go_by_their_sequence() -> None:
    one = Change("a", at(5), "set", {"quantity": Decimal(7)}, sequence=1)
    two = Change("a", at(5), "add", {"quantity": Decimal(1)}, sequence=2)
    for changes in ([one, two], [two, one]):
        (parts,) = timeline.fold([BASE], changes).values()
        assert [part.values["quantity"] for part in parts] == [10, 8]
    # on the first day they replace what was sold
    (parts,) = timeline.fold([BASE], [replace(one, day=START)]).values()
    assert days_of(parts) == [(START, None, 7, None)]


def test_a_chain_without_days_has_no_segments() -> None:
    ended = Change("a", START, "end")
    assert timeline.fold([BASE], [ended]) == {"a": []}
    assert timeline.fold([replace(BASE, date_end=START)], []) == {"a": []}
    # the first of several ends counts
    ends = [Change("a", at(9), "end"), Change("a", at(5), "end")]
    (parts,) = timeline.fold([replace(BASE, date_end=at(7))], ends).values()
    assert parts[-1].date_end == at(5)


@pytest.mark.parametrize(
    "bases, changes",
    [
        ([BASE], [Change("z", at(1), "end")]),
        ([BASE], [Change("a", at(-1), "set", {})]),
        ([BASE], [Change("a", at(-1), "end")]),
        ([BASE], [Change("a", at(1), "add", {"quantity": Decimal(-11)})]),
        ([BASE, BASE], []),
    ],
)
def test_what_does_not_fit_is_refused(bases, changes) -> None:
    with pytest.raises(draw.ops.errors.TimelineError):
        timeline.fold(bases, changes)


def test_what_is_charged_once_is_never_charged_again() -> None:
    """It may be corrected on its day or ended; a later change would be a second one."""
    once = replace(BASE, values={**BASE.values, "kind": "one_time"})
    for action, values in (
        ("set", {"price": Decimal(5)}),
        ("add", {"quantity": Decimal(1)}),
    ):
        with pytest.raises(draw.ops.errors.TimelineError):
            timeline.fold([once], [Change("a", at(1), action, values)])
        (parts,) = timeline.fold([once], [Change("a", START, action, values)]).values()
        assert len(parts) == 1
    (parts,) = timeline.fold([once], [Change("a", at(1), "end")]).values()
    assert [part.date_end for part in parts] == [at(1)]


def test_unknown_actions_are_refused() -> None:
    with pytest.raises(draw.ops.errors.TimelineError):
        Change("a", START, "explode")


def test_upgrade_pause_and_cancellation_entered_backwards() -> None:
    """The same story told forwards and backwards costs the same."""
    plan = proposal.PlanTerms(anchor=START, start=START)
    story = [
        Change("a", date(2026, 2, 15), "set", {"price": Decimal(200)}),
        Pause(date(2026, 3, 11), date(2026, 3, 21)),
        Change("a", date(2026, 4, 10), "add", {"quantity": Decimal(2)}),
        Change("a", date(2026, 5, 16), "end"),
    ]
    totals = set()
    for order in (story, story[::-1]):
        book = Book(plan, [replace(BASE, values=terms(1, 100))])
        for month, entry in enumerate(order, 2):
            book.bill(date(2026, month, 2))
            book.enter(entry)
        book.bill(date(2026, 12, 1))
        totals.add(total(book.ledger))
    # January 100, February 50 + 100, March 64.52 + 70.97 of 200 (what is left of it was
    # 64.51), April 60 + 420, May 600 x 15/31
    assert totals == {
        Decimal("100")
        + Decimal("50.00")
        + Decimal("100.00")
        + Decimal("135.49")
        + Decimal("60.00")
        + Decimal("420.00")
        + Decimal("290.32")
    }
