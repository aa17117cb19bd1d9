# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is taken back counts no more, in whatever order and how often it comes."""

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

correction = draw.usage.correction
Arrival = correction.Arrival
EVENT = draw.usage.aggregate.UsageEvent(datetime(2026, 3, 1, tzinfo=timezone.utc))


def send(*texts: str, start: int = 0) -> list:
    """Return arrivals, a request each: ``a``, ``r>a`` (replaces), ``v-a`` (voids)."""
    result = []
    for number, text in enumerate(texts, start):
        event_id, sign, target = (
            text.partition(">") if ">" in text else text.partition("-")
        )
        event = None if sign == "-" else EVENT
        result.append(Arrival(event_id, number, event, target or None))
    return result


def count(*texts: str, seen=None) -> list[str]:
    """Return the ids that count."""
    stored = correction.accept(send(*texts)).values()
    return sorted(one.event_id for one in correction.counting(stored, seen))


def test_voids_and_replacements() -> None:
    assert count("a", "b", "v-a") == ["b"]
    assert count("a", "r>a") == ["r"]
    assert count("a", "r>a", "s>r") == ["s"]
    assert count("a", "r>a", "v-r") == []


def test_an_event_is_taken_back_once_and_a_void_never() -> None:
    assert count("a", "r>a", "s>a") == ["r"]
    assert count("a", "v-a", "r>a") == []
    assert count("a", "v-a", "w-v") == []


def test_what_comes_first_waits() -> None:
    assert count("v-a") == []
    assert count("v-a", "a") == []
    assert count("s>r", "r>a", "a") == ["s"]
    # Both wait for each other.
    assert count("r>s", "s>r") == []


def test_of_a_request_all_find_each_other() -> None:
    chain = [Arrival("s", 1, EVENT, "r"), Arrival("r", 1, EVENT, "a")]
    stored = correction.accept([*chain, Arrival("a", 1, EVENT)])
    assert list(stored) == ["a", "r", "s"]


def test_what_came_later_is_not_seen() -> None:
    texts = ("a", "b", "v-a", "r>b")
    assert count(*texts, seen=range(2)) == ["a", "b"]
    assert count(*texts, seen=range(3)) == ["b"]
    # What waited belongs to the request of the event it waited for.
    assert count("v-a", "b", "a", seen=range(2)) == ["b"]


@st.composite
def stories(pick):
    """Draw events of which each is taken back once at most."""
    texts, free = [], []
    for number in range(pick(st.integers(1, 15))):
        event_id = f"e{number}"
        kind = pick(st.sampled_from(["", ">", "-"])) if free else ""
        target = free.pop(pick(st.integers(0, len(free) - 1))) if kind else ""
        texts.append(event_id + kind + target)
        if kind != "-":
            free.append(event_id)
    return texts


@given(stories(), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repetition_is_the_same(texts, chance, data) -> None:
    repeats = data.draw(st.lists(st.sampled_from(texts), max_size=10))
    mixed = texts + repeats
    chance.shuffle(mixed)
    assert count(*mixed) == count(*texts)
    assert len(correction.accept(send(*mixed))) == len(texts)
