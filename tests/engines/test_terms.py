# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Contract terms do not depend on the order in which things were made known."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

engine = draw.ops.terms
Pause = draw.ops.service.Pause
TermsError = draw.ops.errors.TermsError
Renewal = engine.Renewal
START, END = date(2026, 1, 1), date(2027, 1, 1)


def fold(renewals=(), pauses=()):
    """Fold and return (start, end, key) per term."""
    terms = engine.fold_terms(START, END, renewals, pauses)
    return [(term.start, term.end, term.key) for term in terms]


def extend(start, end):
    """Return a pause that extends."""
    return Pause(start, end, "extend")


def test_terms_follow_each_other():
    assert fold() == [(START, END, None)]
    assert fold([Renewal(END, 12, key="a"), Renewal(date(2028, 1, 1), 6, key="b")]) == [
        (START, END, None),
        (END, date(2028, 1, 1), "a"),
        (date(2028, 1, 1), date(2028, 7, 1), "b"),
    ]


def test_renewal_moves_with_the_end_of_its_term():
    pause = extend(date(2026, 6, 1), date(2026, 6, 11))
    assert fold([Renewal(END, 12, key="a")], [pause]) == [
        (START, date(2027, 1, 11), None),
        (date(2027, 1, 11), date(2028, 1, 11), "a"),
    ]


def test_pause_in_the_days_that_were_won_counts_too():
    pauses = [
        extend(date(2026, 12, 1), date(2026, 12, 11)),
        extend(date(2027, 1, 5), date(2027, 1, 10)),
    ]
    assert fold(pauses=pauses) == [(START, date(2027, 1, 16), None)]


def test_only_extending_pauses_with_an_end_count():
    pauses = [Pause(date(2026, 3, 1), date(2026, 4, 1)), extend(date(2026, 6, 1), None)]
    assert fold(pauses=pauses) == [(START, END, None)]


def test_renewal_until_a_day_keeps_that_day():
    until = Renewal(END, until=date(2027, 9, 15), key="a")
    pause = extend(date(2026, 6, 1), date(2026, 7, 1))
    assert fold([until], [pause])[1] == (date(2027, 1, 31), date(2027, 9, 15), "a")
    # A pause within it still moves its end.
    later = extend(date(2027, 3, 1), date(2027, 3, 11))
    assert fold([until], [later])[1] == (END, date(2027, 9, 25), "a")


def test_early_renewal_ends_the_term_on_its_day():
    early = Renewal(date(2026, 9, 1), 12, is_early=True, key="a")
    assert fold([early]) == [
        (START, date(2026, 9, 1), None),
        (date(2026, 9, 1), date(2027, 9, 1), "a"),
    ]
    # A pause of the term that is cut short is over with it ...
    before = extend(date(2026, 3, 1), date(2026, 3, 11))
    assert fold([early], [before])[1] == (date(2026, 9, 1), date(2027, 9, 1), "a")
    # ... and what is left of it is due to the next one.
    across = extend(date(2026, 8, 25), date(2026, 9, 11))
    assert fold([early], [across])[1] == (date(2026, 9, 1), date(2027, 9, 11), "a")


def test_contradictions_are_refused():
    with pytest.raises(TermsError):
        fold([Renewal(START, 12, is_early=True)])
    with pytest.raises(TermsError):
        fold([Renewal(END, 0)])
    with pytest.raises(TermsError):
        fold([Renewal(END, until=END)])
    late = extend(date(2026, 6, 1), date(2027, 6, 1))
    with pytest.raises(TermsError):
        fold(
            [Renewal(END, until=date(2027, 9, 15))],
            [late, late][:1] + [extend(date(2027, 6, 2), date(2027, 12, 2))],
        )


@given(
    st.lists(st.integers(1, 24), max_size=4),
    st.lists(
        st.tuples(st.integers(0, 1200), st.integers(1, 40)), max_size=4, unique=True
    ),
    st.randoms(),
)
def test_order_of_entry_does_not_matter(months, spans, random):
    day, renewals = END, []
    for index, count in enumerate(months):
        renewals.append(Renewal(day, count, sequence=index, key=index))
        day = engine._add_months(day, count)
    pauses, free = [], START
    for offset, length in sorted(spans):
        start = max(START + timedelta(days=offset), free)
        free = start + timedelta(days=length)
        pauses.append(extend(start, free))
    expected = fold(renewals, pauses)
    random.shuffle(renewals)
    random.shuffle(pauses)
    assert fold(renewals, pauses) == expected
    # Gapless, ascending, and never shorter than agreed.
    for before, after in zip(expected, expected[1:], strict=False):
        assert before[1] == after[0]
    assert all(start < end for start, end, _key in expected)
