# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage: live figures over HTTP while many events are stored, and what counting costs.

`BENCH_USAGE_EVENTS` sets how many are many (10,000,000 for the full claim).
"""

from __future__ import annotations

import http.client
import os
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from tools.bench import Context, Row
from tools.bench.bench_usage import SEED, await_autovacuum, marked
from tools.bench.usage_load import load

EVENTS = int(os.environ.get("BENCH_USAGE_EVENTS", "1000000"))
SUBSCRIPTIONS = 200
QUESTIONS = 300
WANTED_MS = 100
WANTED_COUNTED = 50_000

# One subscription has a tenth of all events. What is sold: counts, a sum, a maximum
# and different values.
_MORE = """
kinds = [("sum", "bytes"), ("max", "bytes"), ("unique", "user")]
products = env["product.product"]
for kind, value in kinds:
    more = env["saas.meter"].create({
        "name": kind, "code": "bench_" + kind, "event_type": "bench.request",
        "aggregation": kind, "value_key": value, "unit": kind})
    products += env["product.product"].create({
        "name": kind, "type": "service", "saas_charge_kind": "usage",
        "saas_meter_id": more.id})
for subscription in subscriptions:
    subscription.line_ids = [
        Command.create({"product_id": one.id, "date_start": start})
        for one in products]
counting = env["saas.usage.counting"]
counting._count()
while counting._extend():
    env.cr.commit()
env.cr.commit()
"""

_COUNT = """
import time
counting = env["saas.usage.counting"]
start = time.perf_counter()
portions = 0
while counting._count():
    env.cr.commit()
    portions += 1
print("COUNTED", time.perf_counter() - start, portions)
env.cr.execute("SELECT sum(events)::bigint FROM saas_usage_bucket b JOIN saas_meter m"
               " ON m.id = b.meter_id WHERE m.code = 'bench'")
print("HELD", env.cr.fetchone()[0])
env.cr.execute("ANALYZE saas_usage_bucket; ANALYZE saas_usage_bucket_key")
env.cr.commit()
"""


def run(context: Context) -> list[Row]:
    """Measure counting, then questions about current usage over HTTP.

    :param context: databases that keep what they commit, and a server
    """
    with context.database(["saas_usage_billing"]) as database:
        seeded = context.shell(
            database, SEED % {"subscriptions": SUBSCRIPTIONS} + _MORE
        )
        key = marked(seeded, "KEY")[0]
        today = datetime.now(timezone.utc).date()
        running = [(today.replace(day=1), today + timedelta(days=1))]
        load(context, database, 0, EVENTS, SUBSCRIPTIONS, running, busiest=10)
        counted = context.shell(database, _COUNT)
        elapsed = float(marked(counted, "COUNTED")[0])
        held = int(marked(counted, "HELD")[0])
        if held != EVENTS:
            raise RuntimeError(f"{held} of {EVENTS} events are in the live figures")
        with context.server(database, workers=2) as server:
            _ask(server.url, key, 30)
            busiest = _ask(server.url, key, QUESTIONS, is_busiest=True)
            times = _ask(server.url, key, QUESTIONS)
        await_autovacuum(context, database)
    slow = _percentile(times)
    return [
        Row(
            f"current usage over HTTP, p95, {EVENTS:,} events stored",
            slow,
            "ms",
            budget=f"< {WANTED_MS}",
            ok=slow < WANTED_MS,
        ),
        Row(
            "current usage of the subscription with a tenth of them, p95",
            _percentile(busiest),
            "ms",
            budget=f"< {WANTED_MS}",
            ok=_percentile(busiest) < WANTED_MS,
        ),
        # 25,000 a second with half a core is 50,000 a second with a whole one.
        Row(
            "events counted for four meters",
            EVENTS / elapsed,
            "events/s",
            budget=f">= {WANTED_COUNTED:,}",
            ok=EVENTS / elapsed >= WANTED_COUNTED,
        ),
    ]


def _ask(url: str, key: str, number: int, is_busiest: bool = False) -> list[float]:
    """Ask for the current usage of subscriptions in turn.

    :return: milliseconds of each answer
    """
    address = urlsplit(url)
    result = []
    for turn in range(number):
        tenant = 0 if is_busiest else turn % SUBSCRIPTIONS
        connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=60
        )
        start = time.perf_counter()
        connection.request(
            "GET",
            f"/saas/v1/usage/current?subject=tenant-{tenant}&source=bench",
            headers={"Authorization": f"Bearer {key}"},
        )
        answer = connection.getresponse()
        text = answer.read()
        result.append((time.perf_counter() - start) * 1000)
        connection.close()
        if answer.status != 200 or b'"quantity": "0"' in text:
            raise RuntimeError(f"{answer.status}: {text[:500]!r}")
    return result


def _percentile(times: list[float]) -> float:
    """Return what 95 of 100 answers do not exceed."""
    return sorted(times)[-(-len(times) * 95 // 100) - 1]
