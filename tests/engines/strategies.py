# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the property tests draw: money, quantities, tiers, dates, intervals."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import strategies as st

from ..engine_loader import load_engine

ops = load_engine("saas_subscription_ops")
usage = load_engine("saas_usage_billing")
sla = load_engine("saas_helpdesk_sla")

UTC = timezone.utc
ROUNDINGS = [Decimal(unit) for unit in ("0.01", "1", "0.001", "0.05")]
ZONES = ["UTC", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"]

roundings = st.sampled_from(ROUNDINGS)
amounts = st.decimals("0", "1000000", places=4, allow_nan=False)
prices = st.decimals("0", "1000", places=5, allow_nan=False)
quantities = st.decimals("0", "100000", places=3, allow_nan=False)
days = st.dates(date(2019, 1, 1), date(2032, 12, 31))
zones = st.sampled_from(ZONES)
recurrences = st.builds(
    ops.period.Recurrence, st.sampled_from(ops.period.UNITS), st.integers(1, 4)
)
instants = st.integers(0, 200_000_000).map(
    lambda seconds: datetime(2014, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@st.composite
def tiers(draw, flat=True):
    """Draw one to five usable tiers, the last one open."""
    bounds = sorted(
        draw(
            st.lists(
                st.decimals("0.1", "5000", places=1, allow_nan=False),
                max_size=4,
                unique=True,
            )
        )
    )
    flats = prices if flat else st.just(Decimal(0))
    return tuple(
        usage.tiers.Tier(bound, draw(prices), draw(flats)) for bound in [*bounds, None]
    )


def intervals(span=20_000, size=6):
    """Draw a list of intervals that may overlap, touch or be empty."""
    start = datetime(2026, 3, 1, tzinfo=UTC)

    def build(pair):
        left, right = sorted(pair)
        return start + timedelta(minutes=left), start + timedelta(minutes=right)

    pair = st.tuples(st.integers(0, span), st.integers(0, span))
    return st.lists(pair.map(build), max_size=size)


@st.composite
def calendars(draw, tz=zones):
    """Draw a weekly calendar with some working time and some holidays."""
    week = []
    for _day in range(7):
        edges = sorted(
            draw(st.lists(st.integers(0, 48), max_size=4, unique=True).map(list))
        )
        blocks = zip(edges[::2], edges[1::2], strict=False)
        week.append(
            tuple(
                (timedelta(minutes=30 * opens), timedelta(minutes=30 * closes))
                for opens, closes in blocks
            )
        )
    if not any(week):
        week[0] = ((timedelta(hours=8), timedelta(hours=18)),)
    holidays = draw(st.frozensets(st.dates(date(2014, 1, 1), date(2020, 12, 31))))
    return sla.calendar.WorkCalendar(draw(tz), tuple(week), holidays)
