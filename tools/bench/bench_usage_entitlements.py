# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Entitlements: how long a product waits to hear what its customer may use."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
from urllib.parse import urlsplit

from tools.bench import Context, Row

PATH = "/saas/v1/entitlements/tenant-"
SUBSCRIPTIONS = 500
EVENTS = 100_000
REQUESTS = 1_000
WANTED_MS = 20

_SEED = """
from datetime import datetime, timedelta, timezone
from odoo import Command
company = env.company
company.saas_usage_rate = 0
now = datetime.now(timezone.utc)
meter = env["saas.meter"].create({
    "name": "Calls", "code": "bench", "event_type": "bench.request",
    "aggregation": "count", "unit": "calls"})
env["saas.usage.source"].create(
    {"name": "Bench", "code": "bench", "max_age_days": 400})
plan = env["saas.plan"].create({"name": "Bench", "alignment": "calendar"})
product = env["product.product"].create({
    "name": "Calls", "type": "service", "saas_charge_kind": "usage",
    "saas_meter_id": meter.id})
for code, kind in (("sso", "flag"), ("seats", "limit"), ("support", "text"),
                   ("calls", "metered")):
    env["saas.feature"].create({
        "name": code, "code": code, "kind": kind,
        "meter_id": meter.id if kind == "metered" else False,
        "entitlement_ids": [Command.create(
            {"plan_id": plan.id, "limit_value": 1000, "text_value": "gold"})]})
start = (now - timedelta(days=40)).date()
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
    "name": "Bench", "login": "bench_entitlements",
    "group_ids": [Command.set(
        env.ref("saas_core.group_saas_core_integration").ids)]})
keys = env["res.users.apikeys"].with_user(user).sudo()
print("KEY", keys._generate("rpc", "bench", None))
env.cr.commit()
for first in range(0, %(events)d, 1000):
    env["saas.usage.event"]._ingest([
        {"specversion": "1.0", "id": f"bench-{n}", "source": "bench",
         "type": "bench.request", "subject": f"tenant-{n %% %(subscriptions)d}",
         "time": (now - timedelta(seconds=n %% 86400)).isoformat()}
        for n in range(first, first + 1000)])
    env.cr.commit()
counting = env["saas.usage.counting"]
while counting._count() or counting._extend():
    env.cr.commit()
env.cr.commit()
env.cr.execute("ANALYZE")
env.cr.commit()
"""


def run(context: Context) -> list[Row]:
    """Measure single requests, one after the other, each of another customer.

    :param context: databases that keep what they commit, and a server
    """
    with context.database(["saas_usage_billing"]) as database:
        seeded = context.shell(
            database, _SEED % {"subscriptions": SUBSCRIPTIONS, "events": EVENTS}
        )
        key = next(
            line.rpartition("KEY ")[2].strip()
            for line in seeded.splitlines()
            if "KEY " in line
        )
        with context.server(database, workers=2) as server:
            _ask(server.url, key, 100)
            waits = _ask(server.url, key, REQUESTS)
            flags = _ask(server.url, key, REQUESTS, "?feature=sso")
    p95 = _p95(waits)
    return [
        Row(
            "entitlements of a customer, p95",
            p95,
            "ms",
            budget=f"< {WANTED_MS}",
            ok=p95 < WANTED_MS,
        ),
        Row("entitlements of a customer, median", statistics.median(waits), "ms"),
        Row("a single flag of a customer, p95", _p95(flags), "ms"),
    ]


def _p95(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=20)[-1]


def _ask(url: str, key: str, number: int, query: str = "") -> list[float]:
    """Ask for as many customers; return the milliseconds of each request."""
    address = urlsplit(url)
    choose = random.Random(number)  # noqa: S311 - the same customers every time
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    waits = []
    for _number in range(number):
        subject = choose.randrange(SUBSCRIPTIONS)
        start = time.perf_counter()
        connection.request(
            "GET", f"{PATH}{subject}{query}", headers={"Authorization": f"Bearer {key}"}
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
        waits.append((time.perf_counter() - start) * 1000)
        if response.status != 200 or len(answer["subscriptions"]) != 1:
            raise RuntimeError(f"{response.status}: {answer}")
    connection.close()
    return waits
