# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Runs of a workflow engine, as its own export writes them. Nothing here talks."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timezone

from .usage_client import EVENT_TYPE

#: Code of the usage source, and its name of the customer.
SOURCE, SUBJECT = "workflow-engine", "tidewater"
#: The month of the log has this many times the runs of the months before.
UNUSUAL = 5
#: Runs of a day, with the hour they ended, where they ran, and their minutes.
DAILY = ((9, "eu", 55), (11, "eu", 70), (15, "us", 35))
NOW_RUNS, MINUTES_NOW = 75, 60
LATE_RUNS, MINUTES_LATE = 12, 50
#: Source of the calls of the running month: how many, by customer index.
GATEWAY = "api-gateway"
CALLS_NOW = {0: 640, 1: 220, 2: 90}


@dataclass(frozen=True)
class Run:
    """One run of a workflow."""

    key: str
    at: datetime
    site: str
    minutes: int


def months_before(month: date, count: int) -> date:
    """Return the first day of the month so many months before."""
    year, index = divmod(month.year * 12 + month.month - 1 - count, 12)
    return date(year, index + 1, 1)


def runs_of_month(month: date, unusual: date) -> list[Run]:
    """Return the runs of a month that is over.

    :param unusual: the month with far more of them
    """
    times = UNUSUAL if month == unusual else 1
    return [
        Run(
            f"W-{day:%Y%m%d}-{number}-{repeat}",
            datetime.combine(day, time(hour, repeat), timezone.utc),
            site,
            minutes + (day.day % 7) * 5,
        )
        for day in _days(month)
        for number, (hour, site, minutes) in enumerate(DAILY)
        for repeat in range(times)
    ]


def _days(month: date) -> list[date]:
    return [
        month.replace(day=n + 1) for n in range(monthrange(month.year, month.month)[1])
    ]


def runs_of_now(month: date, now: datetime | None = None) -> list[Run]:
    """Return the runs of the running month, spread from its beginning to now.

    Their number and minutes do not depend on the day.
    """
    now = now or datetime.now(timezone.utc)
    start = datetime.combine(month, time(), timezone.utc)
    step = (now - start) / (NOW_RUNS + 1)
    return [
        Run(
            f"W-{month:%Y%m}-now-{number}",
            start + step * (number + 1),
            ("eu", "eu", "us")[number % 3],
            MINUTES_NOW,
        )
        for number in range(NOW_RUNS)
    ]


def calls_of_now(month: date, subject: str, count: int) -> list[dict]:
    """Return API calls as CloudEvents, from the beginning of the month to now."""
    now = datetime.now(timezone.utc)
    start = datetime.combine(month, time(), timezone.utc)
    step = (now - start) / (count + 1)
    return [
        {
            "specversion": "1.0",
            "id": f"{subject}/{month:%Y-%m}/{number}",
            "source": GATEWAY,
            "type": EVENT_TYPE,
            "subject": subject,
            "time": (start + step * (number + 1)).isoformat(),
            "data": {"bytes": 40_000 + number % 7 * 5_000, "method": "GET"},
        }
        for number in range(count)
    ]


def payload(runs: list[Run], tenant: str = SUBJECT) -> dict:
    """Return the export of a tenant's runs, in the engine's own shape."""
    return {
        "tenant": {"id": tenant},
        "runs": [
            {
                "run": run.key,
                "finished": int(run.at.timestamp() * 1000),
                "minutes": run.minutes,
                "site": run.site,
            }
            for run in runs
        ],
    }


def broken_payloads(month: date) -> list[dict]:
    """Return what cannot be used: no such tenant, no number, another shape."""
    run = runs_of_month(month, month)[0]
    strange = payload([Run("W-unknown-1", run.at, "eu", 45)], "fernhill")
    wordy = payload([Run("W-wordy-1", run.at, "eu", 45)])
    wordy["runs"][0]["minutes"] = "three quarters of an hour"
    return [strange, wordy, {"tenant": {"id": SUBJECT}, "jobs": []}]
