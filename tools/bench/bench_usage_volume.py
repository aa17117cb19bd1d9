# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage: what an event costs when few and when many are stored, and while rating runs.

`BENCH_USAGE_EVENTS` sets how many are many (20,000,000 for the full claim: some 20
minutes and 10 GB).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

from tools.bench import Context, Row
from tools.bench.bench_usage import (
    BATCH,
    SEED,
    SUBSCRIPTIONS,
    await_autovacuum,
    make_bodies,
    marked,
    send,
)
from tools.bench.usage_load import load
from tools.postgres import OWNER

FEW = 1_000_000
MANY = int(os.environ.get("BENCH_USAGE_EVENTS", "3000000"))
BATCHES = 100
ROUNDS = 3
WANTED_FLAT = 1.15
WANTED_RATING = 0.7

_RATE = """
import time
from datetime import date
today = date.today()
end = time.monotonic() + %(seconds)d
rated = 0
while time.monotonic() < end:
    env.cr.rollback()
    env.invalidate_all()
    for subscription in env["saas.subscription"].search([], order="id"):
        rated += sum(
            int(charge.quantity) for charge in
            subscription._get_proposed_charges(today.replace(day=1)))
print("RATED", rated)
"""
_SPACE = """
SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))),
       sum(pg_total_relation_size(inhrelid))
         + pg_total_relation_size('saas_usage_event_key')
  FROM pg_inherits WHERE inhparent = 'saas_usage_event_store'::regclass
"""


def run(context: Context) -> list[Row]:
    """Measure ingest over HTTP at two sizes of the store, and beside rating.

    :param context: databases that keep what they commit, and a server
    """
    with context.database(["saas_usage_billing"]) as database:
        seeded = context.shell(database, SEED % {"subscriptions": SUBSCRIPTIONS})
        key = marked(seeded, "KEY")[0]

        def measure(prefix: str, is_random: bool = False) -> float:
            with context.server(database, workers=2) as server:
                send(server.url, key, make_bodies(6, f"warm-{prefix}", is_random))
                return _best(
                    lambda turn: send(
                        server.url,
                        key,
                        make_bodies(BATCHES, f"{prefix}{turn}", is_random),
                    )
                )

        months = _make_months(12)
        load(context, database, 0, FEW, SUBSCRIPTIONS, months)
        _settle(context, database)
        few, few_random = measure("few"), measure("few-random", True)
        load(context, database, FEW, MANY, SUBSCRIPTIONS, months)
        _settle(context, database)
        many, many_random = measure("many"), measure("many-random", True)
        _settle(context, database)
        beside = _while_rating(context, database, lambda: measure("beside"))
        size = int(context.sql(database, _SPACE).split("|")[-1])
        stored = int(
            context.sql(database, "SELECT count(*) FROM saas_usage_event_store")
        )
        await_autovacuum(context, database)
    return [
        Row(f"events/s at {FEW:,} stored", few, "events/s"),
        Row(f"events/s at {MANY:,} stored", many, "events/s", few, f"{FEW:,}"),
        _flat("cost of an event, ordered ids", few, many),
        _flat("cost of an event, random ids", few_random, many_random),
        Row(
            "ingest beside rating, part of quiet",
            beside / many,
            "x",
            1.0,
            "quiet",
            f">= {WANTED_RATING}",
            beside >= WANTED_RATING * many,
        ),
        Row("bytes of a stored event with its key", size / stored, "bytes"),
    ]


def _settle(context: Context, database: str) -> None:
    """Have cleaned up and written what PostgreSQL does in the background else."""
    for table in ("saas_usage_event_store", "saas_usage_event_key"):
        context.sql(database, f"VACUUM (ANALYZE) {table}")
    await_autovacuum(context, database)
    context.cluster.sql("CHECKPOINT", database, OWNER)


def _make_months(number: int) -> list[tuple[date, date]]:
    """Return the months before this one, the latest first."""
    result = []
    end = datetime.now(timezone.utc).date().replace(day=1)
    for _month in range(number):
        begin = (end - timedelta(days=1)).replace(day=1)
        result.append((begin, end))
        end = begin
    return result


def _best(turn: Callable[[int], tuple[int, float]]) -> float:
    """Return the best rate of some rounds: what else the machine does only slows."""
    rates = []
    for number in range(ROUNDS):
        stored, elapsed = turn(number)
        if stored != BATCH * BATCHES:
            raise RuntimeError(f"{stored} stored")
        rates.append(stored / elapsed)
    return max(rates)


def _flat(name: str, few: float, many: float) -> Row:
    return Row(
        name,
        few / many,
        "x",
        1.0,
        f"{FEW:,} stored",
        f"<= {WANTED_FLAT}",
        few <= WANTED_FLAT * many,
    )


def _while_rating(
    context: Context, database: str, measure: Callable[[], float]
) -> float:
    """Measure while another process rates all months again and again."""
    texts: list[str] = []
    script = _RATE % {"seconds": 60}
    rating = threading.Thread(
        target=lambda: texts.append(context.shell(database, script))
    )
    rating.start()
    try:
        return measure()
    finally:
        rating.join()
        if not texts or int(marked(texts[0], "RATED")[0]) <= 0:
            raise RuntimeError("nothing was rated meanwhile")
