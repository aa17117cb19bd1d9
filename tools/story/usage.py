# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 3: the access log arrives as usage, with repeats and out of order."""

from dataclasses import dataclass

from .access_log import assignment, customer_index, is_assigned
from .report import StoryError
from .usage_client import Totals, UsageClient, cloud_event, replay, with_duplicates
from .world import SOURCE, World

DUPLICATE_SHARE = 0.03
BATCH = 500
KIND = "subject"


@dataclass(frozen=True)
class Expected:
    """What the server must answer to the whole log sent with repeats."""

    sent: int
    stored: int
    duplicate: int
    quarantined: int


def tie_addresses(world: World, subscriptions: dict[int, int]) -> int:
    """Tie every client address of the log to its customer's subscription.

    :param subscriptions: ``{customer index: subscription id}``
    :return: number of addresses that were not tied yet
    """
    admin = world.as_("administrator")
    known = {
        row["value"]
        for row in admin.rows(
            "saas.external.id",
            [("source", "=", SOURCE), ("kind", "=", KIND)],
            ["value"],
        )
    }
    rule = assignment(world.requests, len(world.customers))
    missing = [
        _external_id(world, host, index, subscriptions)
        for host, index in rule.items()
        if host not in known
    ]
    for start in range(0, len(missing), 500):
        admin.create("saas.external.id", missing[start : start + 500])
    return len(missing)


def _external_id(world: World, host: str, index: int, subscriptions: dict) -> dict:
    return {
        "source": SOURCE,
        "kind": KIND,
        "value": host,
        "partner_id": world.customers[index].partner_id,
        "subscription_id": subscriptions[index],
    }


def events(world: World) -> list[dict]:
    """Return the log as CloudEvents in the story's month, in file order."""
    return [cloud_event(request, world.month, SOURCE) for request in world.requests]


def expected(sent: list[dict], adopted: str = "") -> Expected:
    """Work out the server's answer from the events alone.

    :param adopted: an address that was given to a customer against the rule
    """
    owned = [
        event["id"]
        for event in sent
        if is_assigned(event["subject"]) or event["subject"] == adopted
    ]
    return Expected(
        sent=len(sent),
        stored=len(set(owned)),
        duplicate=len(owned) - len(set(owned)),
        quarantined=len(sent) - len(owned),
    )


def shuffled(world: World) -> list[dict]:
    """Return the events to send: 3 % of them twice, all in a shuffled order."""
    return with_duplicates(events(world), DUPLICATE_SHARE)


def send(world: World, sent: list[dict], progress=None) -> Totals:
    """Send events with the key of the usage feed."""
    client = UsageClient(world.url, world.access.usage_key)
    try:
        return replay(client, sent, BATCH, progress=progress)
    finally:
        client.close()


def stored_count(world: World, *domain) -> int:
    """Return how many events of the source are stored."""
    return world.as_("administrator").count(
        "saas.usage.event", [("source_id.code", "=", SOURCE), *domain]
    )


def quarantine(world: World) -> list[dict]:
    """Return the open rows of the quarantine that came from the story's log."""
    return world.as_("administrator").rows(
        "saas.usage.quarantine",
        [
            ("source_id.code", "=", SOURCE),
            ("state", "=", "open"),
            ("event_id", "=like", f"{world.month:%Y-%m}/%"),
        ],
        ["subject", "reason", "occurrences"],
    )


def adopted_address(world: World) -> str:
    """Return the unassigned address with the most requests, the first by name."""
    free = world.counts.free
    if not free:
        raise StoryError("The log has no unassigned address to adopt.")
    return min(free, key=lambda host: (-free[host], host))


def adopt(world: World, subscription_id: int) -> str:
    """Give the busiest unassigned address to the main customer and replay it.

    :return: the address
    """
    admin = world.as_("administrator")
    host = adopted_address(world)
    known = [("source", "=", SOURCE), ("kind", "=", KIND), ("value", "=", host)]
    if not admin.count("saas.external.id", known):
        admin.create(
            "saas.external.id",
            {
                "source": SOURCE,
                "kind": KIND,
                "value": host,
                "partner_id": world.main.partner_id,
                "subscription_id": subscription_id,
            },
        )
    rows = admin.search(
        "saas.usage.quarantine",
        [("source_id.code", "=", SOURCE), ("state", "=", "open")]
        + [("subject", "=", host)],
    )
    if rows:
        admin.call("saas.usage.quarantine", "action_replay", rows)
    return host


def counted(world: World, index: int) -> tuple[int, int]:
    """Return calls and bytes of a customer as the log file says, after adoption."""
    calls, size = world.counts.calls[index], world.counts.sizes[index]
    if index == world.main.index:
        host = adopted_address(world)
        calls += world.counts.free[host]
        size += world.counts.free_sizes[host]
    return calls, size


def index_of(world: World, host: str) -> int:
    """Return the customer index the rule gives an address."""
    return customer_index(host, len(world.customers))


def counted_total(world: World) -> int:
    """Return how many events of the log are stored after the adoption."""
    return sum(counted(world, customer.index)[0] for customer in world.customers)


def month_domain(world: World) -> list:
    """Return the domain of events in the story's month."""
    return [
        ("event_time", ">=", f"{world.month} 00:00:00"),
        ("event_time", "<", f"{world.month_end} 00:00:00"),
    ]


def stored_in_month(world: World) -> int:
    """Return how many events of the source are stored in the story's month."""
    return stored_count(world, *month_domain(world))
