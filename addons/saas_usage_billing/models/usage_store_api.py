# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a usage store has to be able to do, and which one is in use.

Everything else of the module asks ``get_store(env)``; another addon may register a
store of its own and be chosen by the system parameter ``saas_usage_billing.store``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from ..engine.aggregate import AVERAGE_DECIMALS
from ..engine.dimension import Rule
from ..engine.filters import Test
from ..engine.meter import Group, Measured, MeterTerms, Spans
from ..engine.meter import Window as Span
from ..exceptions import UsageStoreError

PARAMETER = "saas_usage_billing.store"
#: Requests whose numbers bounds may look for: more than are drawn within the longest
#: transaction. The log of requests keeps so many.
LOOK_BACK = 200_000
DEFAULT = "postgres"
#: Before every event: a source accepts what is up to a hundred years old.
BEGINNING = datetime(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Which events of a subscription to look at: ``[start, end)``, naive UTC.

    ``tz``: IANA name of the zone its days are of.
    """

    subscription_id: int
    start: datetime
    end: datetime
    tz: str = "UTC"

    @property
    def span(self) -> Span:
        """Return the window as the engine knows it."""
        return Span(self.start, self.end, self.tz)


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """What to make of them; the fields after the key are those of ``MeterTerms``.

    Only events that fulfil all ``conditions`` count. ``keys`` of the data to group by:
    the result has one quantity for each combination of their texts. ``rules`` send
    every event to exactly one price, whose text comes before those of the keys.

    :raise TermsError: see ``MeterTerms``
    """

    event_type: str
    aggregation: str
    value_key: str | None = None
    conditions: tuple[Test, ...] = ()
    decimals: int = AVERAGE_DECIMALS
    operation_key: str | None = None
    percentile: Decimal | None = None
    spans: Spans | None = None
    is_level: bool = False
    keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        # What the engine would refuse, no store needs to know.
        _terms = self.terms

    @property
    def is_grouped(self) -> bool:
        """Return whether the result has groups, only those with events or a level."""
        return bool(self.keys or self.rules)

    @property
    def terms(self) -> MeterTerms:
        """Return the engine's terms."""
        return MeterTerms(
            self.aggregation,
            self.conditions,
            self.decimals,
            self.operation_key,
            self.percentile,
            self.spans,
            self.is_level,
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the store had shown when something was computed.

    Request numbers come from a sequence, so everything up to ``batch_max`` is the
    evidence, less the requests that had a number then and ended later.
    """

    batch_max: int
    batch_open: tuple[int, ...]
    stored_at: datetime | None

    def as_dict(self):
        """Return plain values for the details of a charge."""
        return {
            "batch_max": self.batch_max,
            "batch_open": list(self.batch_open),
            "stored_at": self.stored_at.isoformat() if self.stored_at else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Bounds":
        """Return the bounds that ``as_dict`` wrote.

        :param values: at least ``batch_max`` and ``batch_open``
        """
        stored_at = values.get("stored_at")
        return cls(
            int(values["batch_max"]),
            tuple(values["batch_open"]),
            datetime.fromisoformat(stored_at) if stored_at else None,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A window of one event type, and what the store showed when it was looked at."""

    window: Window
    event_type: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event. Times are naive UTC; ``data``: JSON text, so no digit is lost."""

    id: int
    time: datetime
    stored_at: datetime
    source_id: int
    event_id: str
    batch_id: int
    subject: str
    data: str | None


class Correction(NamedTuple):
    """An event of a request that takes back another one of its source.

    ``position``: its own in ``Intake.rows`` when it counts instead, behind them when
    nothing does. ``target``: id of what is taken back. ``oldest``: naive UTC text; what
    happened before is not corrected any more.
    """

    position: int
    event_id: str
    source_id: int
    target: str
    oldest: str


@dataclass(frozen=True, slots=True)
class Intake:
    """The good events of one request.

    ``rows`` are those of ``usage_screen.Screened``; ``data`` has the JSON text of the
    data of each; ``source_keys`` what external ids have for the code of each source,
    by its id. ``is_follow_up``: these waited for events of the same transaction.
    """

    company_id: int
    source_keys: dict[int, str]
    rows: list[tuple]
    data: list[str]
    corrections: list[Correction] = field(default_factory=list)
    is_follow_up: bool = False


class UsageStore(Protocol):
    """Where usage events are kept and asked for."""

    def store(
        self, intake: Intake, batch_ids: Mapping[int, int], now: datetime
    ) -> list[tuple[int, str | None]]:
        """Store the events of a request.

        What is taken back counts no more for computations whose bounds have the
        request; that can happen to an event once.

        :param intake: events
        :param batch_ids: number of the request, per source id
        :param now: naive UTC, when they arrived
        :return: position and reason of each event that was not stored; the reason None:
            an event with this source and id is stored already. Of corrections also
            ``unknown_event``, ``already_corrected`` and ``too_old``
        """

    def aggregate(
        self, spec: MeterSpec, windows: Iterable[Window], bounds: Bounds | None = None
    ) -> list[dict[Group, Measured]]:
        """Measure windows of any number of subscriptions in one statement.

        A level begins with what all events before the window left, however old.

        :param spec: what to measure
        :param windows: in any order
        :param bounds: look at what was stored by then only
        :return: per window its groups; ``()``, always there, without grouping
        """

    def aggregate_by_day(
        self, spec: MeterSpec, window: Window, tz: str, bounds: Bounds | None = None
    ) -> dict[tuple[date, Group], Measured]:
        """Measure a window by local day.

        :param spec: what to measure
        :param window: when
        :param tz: IANA name of the zone the days are of
        :param bounds: look at what was stored by then only
        :return: per day and group, only those with events or a level
        """

    def read_events(
        self,
        spec: MeterSpec,
        window: Window,
        bounds: Bounds | None = None,
        after: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return the events a meter counts, a page at a time.

        :param spec: which events; what is made of them does not matter
        :param window: when
        :param bounds: look at what was stored by then only
        :param after: time and id of the last event of the page before
        :param limit: events of a page
        :return: by time, then id; fewer than ``limit``: there are no more
        """

    def bounds(self) -> Bounds:
        """Return the bounds of what the present transaction sees."""

    def find_newer(
        self, looks: Iterable[Look], until: Bounds | None = None
    ) -> set[int]:
        """Find the windows that got an event, or lost one, since they were looked at.

        :param looks: in any order
        :param until: nothing that was stored later; None: all that can be seen
        :return: positions in ``looks``
        """

    def write_openings(
        self, levels: Iterable[tuple[MeterSpec, Iterable[str]]], end: datetime
    ) -> None:
        """Write what levels go on from when all events before a moment are gone.

        Safe to repeat, and nobody's answer changes before the month is detached.

        :param levels: each with the keys it may be grouped or priced by
        :param end: naive UTC; no event before it comes any more
        """

    def detach(self, month: date) -> None:
        """Take the events of a month out: they are not asked for any more.

        Levels of windows that begin later stay as they are.

        :param month: first day of the oldest month there is
        :raise UsageStoreError: it is in use, try again later
        """


_STORES: dict[str, Callable[..., UsageStore]] = {}


def register_store(name: str, factory: Callable[..., UsageStore]):
    """Make a store known; its addon calls this when it is imported.

    :param name: value of the system parameter that chooses it
    :param factory: called with the environment
    """
    _STORES[name] = factory


def get_store_name(env) -> str:
    """Return the name of the store in use, see ``register_store``.

    :param env: environment
    """
    # sudo: which store there is, is no secret and needed by every user
    return env["ir.config_parameter"].sudo().get_param(PARAMETER, DEFAULT)


def get_store(env) -> UsageStore:
    """Return the store in use.

    :param env: environment
    :return: store of the system parameter, default that of the database itself
    :raise UsageStoreError: no addon in use has such a store
    """
    name = get_store_name(env)
    if name not in _STORES:
        raise UsageStoreError(
            env._(
                "There is no usage store “%(name)s”. Correct the system parameter "
                "%(parameter)s, or install the addon that brings it.",
                name=name,
                parameter=PARAMETER,
            )
        )
    return _STORES[name](env)
