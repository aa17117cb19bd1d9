# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A web access log becomes invoices; the truth is what ``awk`` and ``sort`` count.

Every client address of the log is used by a subscription: the busiest have one of
their own, the others share one. The odd lines arrive in time, the even ones after the
invoices are posted. ``SAAS_REPLAY_CLIENTS`` sets how many have their own.
"""

import gzip
import os
import random
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tools.saas_usage_client import UsageClient
from tools.story.access_log import moved
from tools.story.odoo_client import wait_for
from tools.story.usage_client import cloud_event

CLIENTS = int(os.environ.get("SAAS_REPLAY_CLIENTS", "40"))
PATIENCE = 120.0 + CLIENTS
SOURCE = "replayed-log"
TYPE = "replay.request"
OTHERS = "others"
CENT = Decimal("0.01")
#: Meter: aggregation, key of the data, price of a unit.
METERS = {
    "requests": ("count", False, Decimal("0.013")),
    "bytes": ("sum", "bytes", Decimal("0.0000017")),
    "pages": ("unique", "path", Decimal("0.29")),
    "largest": ("max", "bytes", Decimal("0.000003")),
}
# What the log says, one word each: owner, bytes, path. Lines of the wanted half only.
_AWK_LINES = """
NR == FNR { owner[$1] = $1; next }
half == "all" || FNR % 2 == (half == "odd") {
    split($0, part, "\\""); split(part[3], word, " ")
    print (($1 in owner) ? $1 : others), word[2] + 0, $7
}
"""
_AWK_FIGURES = """
{ count[$1]++; sum[$1] += $2; if ($2 > most[$1]) most[$1] = $2 }
END { for (o in count) printf("%s %d %.0f %.0f\\n", o, count[o], sum[o], most[o]) }
"""


@dataclass
class Stage:
    """What was made for the replay.

    :ivar subscriptions: id by owner, a client address or ``OTHERS``
    :ivar products: id of the product by meter
    """

    world: object
    owners: list[str]
    subscriptions: dict[str, int] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)
    plan_id: int = 0

    @property
    def admin(self):
        return self.world.as_("administrator")

    def figures(self, folder, half: str) -> dict[str, dict[str, Decimal]]:
        """Count the log with standard tools.

        :param half: odd, even, or all
        :return: quantity by owner and meter
        """
        (folder / "log").write_bytes(gzip.open(self.world.log).read())
        (folder / "owners").write_text("\n".join(self.owners) + "\n")
        options = ["-v", f"half={half}", "-v", f"others={OTHERS}"]
        lines = _run(["awk", *options, _AWK_LINES, "owners", "log"], folder)
        (folder / "lines").write_text(lines)
        result = defaultdict(dict)
        for row in _run(["awk", _AWK_FIGURES, "lines"], folder).splitlines():
            owner, *numbers = row.split()
            names = ("requests", "bytes", "largest")
            result[owner] = dict(zip(names, map(Decimal, numbers), strict=True))
        script = "awk '{print $1, $3}' lines | sort -u | cut -d' ' -f1 | uniq -c"
        for row in _run(["sh", "-c", script], folder).splitlines():
            number, owner = row.split()
            result[owner]["pages"] = Decimal(number)
        return result

    def send(self, remainder: int) -> list:
        """Send the odd or even lines of the log with the shipped client, shuffled.

        :param remainder: 1 for the odd lines, 0 for the even ones
        :return: what the server did not store
        """
        problems = []
        lines = [one for one in self.world.requests if one.number % 2 == remainder]
        random.Random(remainder).shuffle(lines)
        client = UsageClient(
            self.world.url,
            self.world.access.usage_key,
            SOURCE,
            on_problem=lambda *problem: problems.append(problem),
        )
        with client:
            for line in lines:
                event = cloud_event(line, self.world.month, SOURCE)
                when = moved(line.at, self.world.month)
                client.send(TYPE, line.host, event["data"], event["id"], when)
        return problems

    def bill(self) -> int:
        """Bill the month of the replay; return the run."""
        operator = self.world.as_("billing_operator")
        approver = self.world.as_("billing_approver")
        run_id = operator.create(
            "saas.billing.run",
            {
                "plan_ids": [[6, 0, [self.plan_id]]],
                "date_cutoff": self.world.month_end.isoformat(),
                "date_invoice": self.world.month_end.isoformat(),
                "credit_tolerance": 100_000,
            },
        )

        def reach(state):
            def found():
                return operator.row("saas.billing.run", run_id, ["state"])

            assert wait_for(lambda: found()["state"] == state, PATIENCE), found()

        operator.call("saas.billing.run", "action_compute", [run_id])
        reach("computed")
        operator.call("saas.billing.run", "action_review", [run_id])
        approver.call("saas.billing.run", "action_approve", [run_id])
        operator.call("saas.billing.run", "action_post", [run_id])
        reach("done")
        return run_id

    def charged(self, *domain) -> dict[str, dict[str, Decimal]]:
        """Return the amounts on posted documents by owner and meter."""
        owners = {number: owner for owner, number in self.subscriptions.items()}
        meters = {number: meter for meter, number in self.products.items()}
        rows = self.admin.rows(
            "saas.charge",
            [
                ("subscription_id", "in", list(owners)),
                ("move_id.state", "=", "posted"),
                *domain,
            ],
            ["subscription_id", "product_id", "amount"],
        )
        result = defaultdict(lambda: defaultdict(Decimal))
        for row in rows:
            owner = owners[row["subscription_id"][0]]
            result[owner][meters[row["product_id"][0]]] += _cents(repr(row["amount"]))
        return without_zeros(result)


def _run(command, folder) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def _cents(amount) -> Decimal:
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


def without_zeros(amounts) -> dict[str, dict[str, Decimal]]:
    """Return amounts by owner and meter: a charge of nothing is as good as none."""
    result = {
        owner: {meter: one for meter, one in of.items() if one}
        for owner, of in amounts.items()
    }
    return {owner: of for owner, of in result.items() if of}


def priced(figures) -> dict[str, dict[str, Decimal]]:
    """Return the amounts of quantities, to the cent."""
    amounts = {
        owner: {name: _cents(of[name] * METERS[name][2]) for name in of}
        for owner, of in figures.items()
    }
    return without_zeros(amounts)


def difference(later, earlier) -> dict[str, dict[str, Decimal]]:
    """Return what the later amounts are more than the earlier ones."""
    amounts = {
        owner: {name: of[name] - earlier.get(owner, {}).get(name, 0) for name in of}
        for owner, of in later.items()
    }
    return without_zeros(amounts)


def make_stage(world) -> Stage:
    """Create meters, prices, and a subscription per owner; tie every address."""
    number = Counter(request.host for request in world.requests)
    hosts = sorted(number, key=lambda host: (-number[host], host))
    stage = Stage(world, hosts[:CLIENTS])
    admin = stage.admin
    admin.create(
        "saas.usage.source",
        {"name": "Replayed log", "code": SOURCE, "max_age_days": 3650},
    )
    stage.plan_id = admin.create("saas.plan", {"name": "Replay"})
    for name in METERS:
        stage.products[name] = make_product(stage, name)
    owners = [*stage.owners, OTHERS]
    partners = admin.create(
        "res.partner",
        [{"name": f"Replay {owner}", "is_company": True} for owner in owners],
    )
    lines = [
        [0, 0, {"product_id": product, "date_start": world.month.isoformat()}]
        for product in stage.products.values()
    ]
    subscriptions = admin.create(
        "saas.subscription",
        [
            {
                "partner_id": partner,
                "plan_id": stage.plan_id,
                "date_start": world.month.isoformat(),
                "tz": "UTC",
                "line_ids": lines,
            }
            for partner in partners
        ],
    )
    admin.call("saas.subscription", "action_activate", subscriptions)
    stage.subscriptions = dict(zip(owners, subscriptions, strict=True))
    owned = dict(zip(owners, zip(partners, subscriptions, strict=True), strict=True))
    ties = [prepare_tie(host, *owned.get(host, owned[OTHERS])) for host in hosts]
    admin.create("saas.external.id", ties)
    return stage


def make_product(stage: Stage, name: str) -> int:
    """Create a meter, its product and its price; return the product."""
    admin = stage.admin
    aggregation, key, price = METERS[name]
    meter = admin.create(
        "saas.meter",
        {
            "name": f"Replayed {name}",
            "code": f"replayed_{name}",
            "event_type": TYPE,
            "aggregation": aggregation,
            "value_key": key,
            "unit": name,
        },
    )
    income = [("account_type", "=", "income")]
    product = admin.create(
        "product.product",
        {
            "name": f"Replayed {name}",
            "type": "service",
            "saas_charge_kind": "usage",
            "saas_meter_id": meter,
            "taxes_id": [[6, 0, []]],
            "property_account_income_id": admin.search(
                "account.account", income, limit=1
            )[0],
        },
    )
    template = admin.row("product.product", product, ["product_tmpl_id"])
    admin.create(
        "saas.usage.price",
        {
            "product_tmpl_id": template["product_tmpl_id"][0],
            "model": "standard",
            "unit_price": float(price),
        },
    )
    return product


def prepare_tie(host: str, partner_id: int, subscription_id: int) -> dict:
    """Return the values that tie an address to a subscription."""
    return {
        "source": SOURCE,
        "kind": "subject",
        "value": host,
        "partner_id": partner_id,
        "subscription_id": subscription_id,
    }


@pytest.fixture(scope="module")
def stage(world):
    """A stage without events."""
    return make_stage(world)


def test_invoices_are_what_standard_tools_count(stage, tmp_path):
    """One test: what is late is late for the invoices before."""
    odd, whole = stage.figures(tmp_path, "odd"), stage.figures(tmp_path, "all")
    lines = len(stage.world.requests)
    assert sum(one["requests"] for one in whole.values()) == lines

    assert stage.send(1) == []
    first = stage.bill()
    assert stage.charged() == priced(odd)

    # Late: all of it belongs to a month that is invoiced.
    assert stage.send(0) == []
    later = stage.bill()
    assert stage.charged() == priced(whole)
    assert stage.charged(("run_id", "=", first)) == priced(odd)
    assert stage.charged(("run_id", "=", later)) == difference(
        priced(whole), priced(odd)
    )

    # Once more, all of it: every event is known.
    assert stage.send(1) == stage.send(0) == []
    stored = [("source_id.code", "=", SOURCE)]
    assert stage.admin.count("saas.usage.event", stored) == lines
    last = stage.bill()
    assert stage.charged(("run_id", "=", last)) == {}
