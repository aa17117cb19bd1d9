# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage: events stored over HTTP beside a bare COPY, and events rated.

The events are made before the clock starts; the clients share the cores with the
server and the database, as everything of the figure does.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from tools.bench import Context, Row

PATH = "/saas/v1/usage/events"
BATCH = 1_000
BATCHES = 150
CLIENTS = 4
SUBSCRIPTIONS = 1_000
RATED_EVENTS = 1_000_000
WANTED = 25_000
WANTED_OF_COPY = 0.4
WANTED_RATED = 300_000

SEED = """
from datetime import date
from odoo import Command
company = env.company
meter = env["saas.meter"].create({
    "name": "Calls", "code": "bench", "event_type": "bench.request",
    "aggregation": "count", "unit": "calls"})
traffic = env["saas.meter"].create({
    "name": "Traffic", "code": "bench_bytes", "event_type": "bench.request",
    "aggregation": "sum", "value_key": "bytes", "unit": "bytes"})
env["saas.usage.source"].create(
    {"name": "Bench", "code": "bench", "max_age_days": 400})
plan = env["saas.plan"].create({"name": "Bench", "alignment": "calendar"})
product = env["product.product"].create({
    "name": "Calls", "type": "service", "saas_charge_kind": "usage",
    "saas_meter_id": meter.id})
env["saas.usage.price"].create({
    "product_tmpl_id": product.product_tmpl_id.id, "model": "graduated",
    "tier_ids": [
        Command.create({"up_to": 100, "unit_price": 0}),
        Command.create({"up_to": 500, "unit_price": 0.05}),
        Command.create({"up_to": 0, "unit_price": 0.02})]})
start = date(date.today().year - 1, 1, 1)
partners = env["res.partner"].create([
    {"name": f"Bench {n}", "is_company": True} for n in range(%(subscriptions)d)])
subscriptions = env["saas.subscription"].with_context(tracking_disable=True).create([
    {"partner_id": partner.id, "plan_id": plan.id, "date_start": start, "tz": "UTC",
     "line_ids": [Command.create({"product_id": product.id, "date_start": start})]}
    for partner in partners])
subscriptions.with_context(tracking_disable=True).action_activate()
env["saas.external.id"].create([
    {"source": "bench", "kind": "subject", "value": f"tenant-{n}",
     "subscription_id": subscription.id}
    for n, subscription in enumerate(subscriptions)])
user = env["res.users"].create({
    "name": "Bench", "login": "bench_usage",
    "group_ids": [Command.set(
        env.ref("saas_core.group_saas_core_integration").ids)]})
keys = env["res.users.apikeys"].with_user(user).sudo()
print("KEY", keys._generate("rpc", "bench", None))
env.cr.commit()
"""

_COPY = """
import io, time
cr = env.cr
cr.execute("SELECT id, event_time, stored_at, company_id, source_id, subscription_id,"
           " account_id, batch_id, event_type, event_id, subject, data::text"
           " FROM saas_usage_event_store ORDER BY id")
rows = cr.fetchall()
def lines(rows):
    return ["\\t".join(str(value).replace("\\\\", "\\\\\\\\") for value in row)
            + "\\n" for row in rows]
def copy(word, *tables):
    start = time.perf_counter()
    for first in range(0, len(rows), %(batch)d):
        for table, texts in tables:
            body = io.StringIO("".join(texts[first:first + %(batch)d]))
            cr._obj.copy_expert(f"COPY {table} FROM STDIN", body)
        cr.commit()
    print(word, len(rows), time.perf_counter() - start)
cr.execute("CREATE TABLE bench_copy AS TABLE saas_usage_event_store WITH NO DATA")
cr.commit()
copy("COPY", ("bench_copy", lines(rows)))
cr.execute("DROP TABLE bench_copy")
cr.commit()
rows = [(10**9 + row[0], *row[1:9], "copy-" + row[9], *row[10:]) for row in rows]
keys = [(row[4], row[9], row[1], row[0]) for row in rows]
copy("OWN", ("saas_usage_event_key", lines(keys)),
     ("saas_usage_event_store", lines(rows)))
"""

_RATE = """
import time
from datetime import date
from odoo.addons.saas_usage_billing.models.usage_schema import ensure_partitions
cr = env.cr
month = date(date.today().year - 1, 1, 1)
ensure_partitions(cr, [month])
cr.execute('''
    INSERT INTO saas_usage_event_store (
        event_time, stored_at, company_id, source_id, subscription_id, account_id,
        batch_id, event_type, event_id, subject, data)
    SELECT %%(month)s::timestamp + n * interval '2 seconds', now() AT TIME ZONE 'UTC',
           s.company_id, 0, s.id, s.partner_id, 0, 'bench.request', 'rated-' || n,
           'tenant', '{"bytes": 1}'
      FROM generate_series(1, %(events)d) n
      JOIN (SELECT row_number() OVER (ORDER BY id) - 1 AS number, *
              FROM saas_subscription) s ON s.number = n %%%% %(subscriptions)d
''', {"month": month})
cr.commit()
cr.execute("ANALYZE saas_usage_event_store")
cr.commit()
env.invalidate_all()
subscriptions = env["saas.subscription"].search([], order="id")
start = time.perf_counter()
charges = [
    charge for subscription in subscriptions
    for charge in subscription._get_proposed_charges(date(month.year, 2, 1))]
seconds = time.perf_counter() - start
print("RATE", int(sum(charge.quantity for charge in charges)), len(charges), seconds)
"""


def run(context: Context) -> list[Row]:
    """Measure ingest over HTTP, COPY of the same rows, and rating.

    :param context: databases that keep what they commit, and a server
    """
    with context.database(["saas_usage_billing"]) as database:
        seeded = context.shell(database, SEED % {"subscriptions": SUBSCRIPTIONS})
        key = marked(seeded, "KEY")[0]
        bodies = make_bodies(BATCHES)
        with context.server(database, workers=2) as server:
            send(server.url, key, make_bodies(6, "warm"))
            stored, elapsed = send(server.url, key, bodies)
            repeated, again = send(server.url, key, bodies[:20])
        if stored != BATCH * BATCHES or repeated:
            raise RuntimeError(f"{stored} stored and {repeated} of a repeat")
        copies = context.shell(database, _COPY % {"batch": BATCH})
        rated, charges, rate_seconds = marked(
            context.shell(
                database,
                _RATE % {"events": RATED_EVENTS, "subscriptions": SUBSCRIPTIONS},
            ),
            "RATE",
        )
        await_autovacuum(context, database)
    if int(rated) != RATED_EVENTS or int(charges) != SUBSCRIPTIONS:
        raise RuntimeError(f"{rated} events rated in {charges} charges")
    speed = stored / elapsed
    copied, copied_own = (
        int(rows) / float(seconds)
        for rows, seconds in (marked(copies, word) for word in ("COPY", "OWN"))
    )
    rating = RATED_EVENTS / float(rate_seconds)
    return [
        Row(
            "usage events stored over HTTP, batches of 1,000",
            speed,
            "events/s",
            copied,
            "COPY",
            f">= {WANTED:,}",
            speed >= WANTED,
        ),
        Row(
            "usage ingest as a part of COPY",
            speed / copied,
            "x",
            1.0,
            "COPY",
            f">= {WANTED_OF_COPY}",
            speed >= WANTED_OF_COPY * copied,
        ),
        Row(
            "the same, of COPY into its own tables with their indexes",
            speed / copied_own,
            "x",
            1.0,
            "COPY",
        ),
        Row("usage events sent again", BATCH * 20 / again, "events/s"),
        Row(
            "usage events aggregated and rated",
            rating,
            "events/s",
            budget=f">= {WANTED_RATED:,}",
            ok=rating >= WANTED_RATED,
        ),
    ]


def await_autovacuum(context: Context, database: str) -> None:
    """Wait until nobody cleans the database, which could not be dropped else."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'autovacuum worker'"
    )
    deadline = time.monotonic() + 120
    while context.sql(database, query).strip() != "0" and time.monotonic() < deadline:
        time.sleep(1)


def marked(text: str, word: str) -> list[str]:
    """Return the words behind a marker that a shell script printed."""
    for line in text.splitlines():
        # The prompt of the shell may stand before it.
        before, found, rest = line.partition(f"{word} ")
        if found and not before.strip(". >"):
            return rest.split()
    raise RuntimeError(f"the shell did not print {word}: {text[-2000:]}")


def make_bodies(
    number: int, prefix: str = "event", is_random: bool = False
) -> list[bytes]:
    """Return batches of CloudEvents of the last hours, ready to send.

    :param is_random: with ids in no order, as UUIDv4 have them
    """
    now = datetime.now(timezone.utc)
    result = []
    for batch in range(number):
        events = []
        for index in range(BATCH):
            at = now - timedelta(seconds=(batch * BATCH + index) % 7200)
            events.append(
                {
                    "specversion": "1.0",
                    "id": _make_id(prefix, batch, index, is_random),
                    "source": "bench",
                    "type": "bench.request",
                    "subject": f"tenant-{index * 7919 % SUBSCRIPTIONS}",
                    "time": at.isoformat(timespec="milliseconds").replace(
                        "+00:00", "Z"
                    ),
                    "data": {
                        "bytes": index * 13,
                        "method": "GET",
                        "path": f"/v1/items/{index % 50}",
                        "status": 200,
                    },
                }
            )
        result.append(json.dumps(events).encode())
    return result


def _make_id(prefix: str, batch: int, index: int, is_random: bool) -> str:
    if is_random:
        return hashlib.md5(f"{prefix}{batch}/{index}".encode()).hexdigest()
    return f"{prefix}-{batch:05d}-{index:04d}-3f1c9a"


def send(url: str, key: str, bodies: list[bytes]) -> tuple[int, float]:
    """Send batches with several clients at once.

    :return: events stored, and seconds
    """
    address = urlsplit(url)
    waiting, stored, errors = iter(bodies), [], []
    lock = threading.Lock()

    def client() -> None:
        while not errors:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            connection = http.client.HTTPConnection(
                address.hostname, address.port, timeout=120
            )
            connection.request(
                "POST",
                PATH,
                body,
                {
                    "Authorization": f"Bearer {key}",
                    "Content-Type": "application/cloudevents-batch+json",
                },
            )
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status != 200:
                errors.append(text)
                return
            stored.append(json.loads(text)["stored"])

    threads = [threading.Thread(target=client) for _number in range(CLIENTS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    if errors:
        raise RuntimeError(f"refused: {errors[0][:500]!r}")
    return sum(stored), elapsed
