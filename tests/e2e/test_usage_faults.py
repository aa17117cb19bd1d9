# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage arrives while workers and the database get signal 9.

The client that is shipped sends from several threads and repeats what was not taken.
Afterwards what is stored is what was sent, each event once; so are its corrections,
what waits in quarantine, and the counts of the requests.
"""

import os
import random
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.private import BreakableServer, PrivateCluster, private_server
from tools import saas_usage_client
from tools.saas_usage_client import UsageClient, UsageClientError
from tools.story.odoo_client import Odoo, wait_for
from tools.story.world import Access

EVENTS = int(os.environ.get("SAAS_FAULT_EVENTS", "6000"))
SEED = int(os.environ.get("SAAS_FAULT_SEED", "0")) or random.randrange(10**6)
CLIENTS = 3
THREADS = 2
SUBJECTS = 5
BATCH = 100
#: Parts of the events that are stored when a blow falls.
MOMENTS = (0.1, 0.4, 0.7)
# A safeguard only: nothing here is a measurement.
PATIENCE = 120


@dataclass
class Sent:
    """Ids of what was sent.

    :ivar gone: targets of what was taken back, by the id that does it
    """

    events: set[str] = field(default_factory=set)
    voids: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    gone: dict[str, str] = field(default_factory=dict)


@dataclass
class Stage:
    """A private server with a source of its own."""

    cluster: PrivateCluster
    server: BreakableServer
    source: str = ""
    source_id: int = 0

    def sql(self, query: str) -> list[list[str]]:
        """Return the rows of a query about the source, everything as text."""
        query = query.format(source=self.source_id)
        text = self.cluster.sql(query, self.server.database)
        return [row.split("|") for row in text.splitlines()]

    def ids(self, query: str) -> list[str]:
        """Return the one column of a query."""
        return [row[0] for row in self.sql(query)]

    def make(self, name: str) -> None:
        """Create a source, a meter, and subscriptions its subjects lead to."""
        access = Access.load(self.server.access)
        admin = Odoo(self.server.url).sign_in(
            self.server.database, access.users["administrator"], access.password
        )
        self.source = name
        self.source_id = admin.create(
            "saas.usage.source", {"name": name, "code": name, "max_age_days": 365}
        )
        meter = admin.create(
            "saas.meter",
            {"name": name, "code": name, "event_type": name, "aggregation": "count"},
        )
        product = admin.create(
            "product.product",
            {
                "name": name,
                "type": "service",
                "saas_charge_kind": "usage",
                "saas_meter_id": meter,
            },
        )
        plan = admin.create("saas.plan", {"name": name})
        start = (datetime.now(timezone.utc) - timedelta(days=90)).date().isoformat()
        for number in range(SUBJECTS):
            partner = admin.create(
                "res.partner", {"name": f"{name} {number}", "is_company": True}
            )
            line = {"product_id": product, "date_start": start}
            subscription = admin.create(
                "saas.subscription",
                {
                    "partner_id": partner,
                    "plan_id": plan,
                    "date_start": start,
                    "line_ids": [[0, 0, line]],
                },
            )
            admin.call("saas.subscription", "action_activate", [subscription])
            admin.create(
                "saas.external.id",
                {
                    "source": name,
                    "kind": "subject",
                    "value": f"tenant-{number}",
                    "subscription_id": subscription,
                },
            )

    def stored(self) -> int:
        """Return the number of events stored so far."""
        query = "SELECT count(*) FROM saas_usage_event_key WHERE source_id = {source}"
        return int(self.ids(query)[0])


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    sys.stdout.write(f"SAAS_FAULT_SEED={SEED}\n")
    with private_server(tmp_path_factory.mktemp("faults")) as (cluster, server):
        yield Stage(cluster, server)


@pytest.fixture
def pauses(monkeypatch):
    """Attempts that failed; the pauses after them are short ones."""
    taken = []

    def pause(attempt):
        taken.append(attempt)
        return random.uniform(0.05, 0.5)

    monkeypatch.setattr(saas_usage_client, "make_pause", pause)
    monkeypatch.setenv("NO_PROXY", "*")
    return taken


def produce(usage, sent, lock, name, number):
    """Send events, some of strangers, and take some back, also before they came."""
    pick = random.Random(f"{SEED}-{name}")
    begin = datetime.now(timezone.utc) - timedelta(days=40)
    for n in range(number):
        event_id = f"{name}-{n}"
        at = begin + timedelta(minutes=n)
        chance = pick.random()
        subject = f"tenant-{pick.randrange(SUBJECTS)}"
        # Each takes back the event before it, which another thread may send later.
        target = f"{name}-{n - 1}"
        with lock:
            known = target in sent.events and n % 2
        if chance < 0.02:
            usage.send(usage.source, "nobody", id=event_id, time=at)
            group = sent.strangers
        elif known and chance < 0.1:
            usage.void(target, id=event_id)
            group = sent.voids
        elif known and chance < 0.18:
            usage.replace(target, usage.source, subject, id=event_id, time=at)
            group = sent.events
        else:
            usage.send(usage.source, subject, {"n": n}, id=event_id, time=at)
            group, known = sent.events, False
        with lock:
            group.add(event_id)
            if known and group is not sent.strangers:
                sent.gone[event_id] = target


def send_all(stage, clients, sent):
    """Start the threads that send.

    Corrections go through another client than most of their targets do.

    :return: threads
    """
    lock, errors = threading.Lock(), []

    def work(number):
        try:
            usage = _Spread(clients, number)
            produce(usage, sent, lock, f"t{number}", EVENTS // (CLIENTS * THREADS))
        except UsageClientError as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(number,))
        for number in range(CLIENTS * THREADS)
    ]
    for thread in threads:
        thread.start()
    return threads, errors


class _Spread:
    """Sends events through one client and corrections through the next one."""

    def __init__(self, clients, number):
        self.source = clients[0].source
        self.send = clients[number % len(clients)].send
        other = clients[(number + 1) % len(clients)]
        self.void, self.replace = other.void, other.replace


def strike(stage, blow, part):
    """Break something when a part of the events is stored.

    :return: whether it fell in the middle
    """
    wanted = int(EVENTS * part)
    assert wait_for(lambda: stage.stored() >= wanted, PATIENCE, pause=0.02)
    before = stage.stored()
    blow()
    return before < EVENTS


def play(stage, name, blows, pauses):
    """Send everything while blows fall, and check what is left.

    :return: what was sent
    """
    stage.make(name)
    key = Access.load(stage.server.access).usage_key
    sent = Sent()
    clients = [
        UsageClient(
            stage.server.url,
            key,
            name,
            batch_size=BATCH,
            max_wait=0.1,
            retries=300,
            capacity=2 * BATCH,
            on_problem=lambda *_problem: None,
        )
        for _number in range(CLIENTS)
    ]
    threads, errors = send_all(stage, clients, sent)
    hits = [
        strike(stage, blow, part) for blow, part in zip(blows, MOMENTS, strict=True)
    ]
    for thread in threads:
        thread.join(PATIENCE)
    for client in clients:
        client.close()
    assert not errors
    assert all(hits), "a blow came too late, the test proves nothing"
    assert pauses, "no request was cut off, the test proves nothing"
    return sent


def check(stage, sent):
    """What is stored is what was sent, exactly once, and all counts say so."""
    events = stage.ids(
        "SELECT event_id FROM saas_usage_event_store WHERE source_id = {source}"
    )
    assert Counter(events) == Counter(sent.events)
    keys = stage.ids(
        "SELECT event_id FROM saas_usage_event_key WHERE source_id = {source}"
    )
    assert Counter(keys) == Counter(sent.events | sent.voids)
    gone = stage.sql(
        "SELECT by_event_id, event_id FROM saas_usage_event_void"
        " WHERE source_id = {source}"
    )
    assert dict(gone) == sent.gone
    waiting = stage.sql(
        "SELECT event_id, reason FROM saas_usage_quarantine"
        " WHERE source_id = {source} AND state = 'open'"
    )
    assert dict(waiting) == dict.fromkeys(sent.strangers, "unknown_subject")
    check_requests(stage)


def check_requests(stage):
    """Each request counts what it stored, and all that was ever quarantined."""
    wrong = stage.sql(
        """
        SELECT b.id, b.stored, count(s.id) + (
                   SELECT count(*) FROM saas_usage_event_void v
                    WHERE v.batch_id = b.id AND v.by_row_id IS NULL)
          FROM saas_usage_batch b
          LEFT JOIN saas_usage_event_store s ON s.batch_id = b.id
         WHERE b.source_id = {source}
         GROUP BY b.id
        HAVING b.stored != count(s.id) + (
                   SELECT count(*) FROM saas_usage_event_void v
                    WHERE v.batch_id = b.id AND v.by_row_id IS NULL)
        """
    )
    assert not wrong
    orphans = stage.sql(
        "SELECT e.id FROM saas_usage_event_store e"
        " LEFT JOIN saas_usage_batch b ON b.id = e.batch_id"
        " WHERE e.source_id = {source} AND b.id IS NULL"
    )
    assert not orphans
    [[quarantined]] = stage.sql(
        "SELECT coalesce(sum(quarantined), 0) FROM saas_usage_batch"
        " WHERE source_id = {source} AND kind != 'replay'"
    )
    [[occurrences]] = stage.sql(
        "SELECT coalesce(sum(occurrences), 0) FROM saas_usage_quarantine"
        " WHERE source_id = {source}"
    )
    assert quarantined == occurrences


def test_killed_workers(stage, pauses):
    server = stage.server
    blows = (server.kill_workers, server.kill_workers, server.restart_killed)
    sent = play(stage, "killed-workers", blows, pauses)
    check(stage, sent)


def test_killed_database(stage, pauses):
    def blow():
        stage.cluster.kill()
        stage.server.ensure()

    sent = play(stage, "killed-database", (blow,) * len(MOMENTS), pauses)
    check(stage, sent)
