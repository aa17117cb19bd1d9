# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Meters, prices and subscriptions of their own, to bill a month of usage on."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from tools.saas_usage_client import UsageClient
from tools.story.odoo_client import Odoo, wait_for
from tools.story.world import World

CENT = Decimal("0.01")
#: Percent an amount may differ from what is usual.
UNCHECKED = 1e9
# A safeguard only: nothing here is a measurement.
PATIENCE = 1800.0
#: By owner of a subscription and name of a meter.
Figures = dict[str, dict[str, Decimal]]


@dataclass(frozen=True)
class Meter:
    """A meter and the price of a unit of it.

    :ivar more: other fields of ``saas.meter``
    """

    aggregation: str
    key: str | None
    price: Decimal
    more: dict = field(default_factory=dict)


@dataclass
class UsageStage:
    """One source and a subscription of all its products per owner.

    :ivar source: its code, also of the event type and the meters
    :ivar subscriptions: id by owner
    :ivar products: id by meter
    """

    world: World
    source: str
    meters: dict[str, Meter]
    plan_id: int = 0
    subscriptions: dict[str, int] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)

    @property
    def admin(self) -> Odoo:
        return self.world.as_("administrator")

    # Making

    def make(self, owners: list[str]) -> None:
        """Create source, meters, prices, and a subscription per owner."""
        self.admin.create(
            "saas.usage.source",
            {"name": self.source, "code": self.source, "max_age_days": 3650},
        )
        self.plan_id = self.admin.create("saas.plan", {"name": self.source})
        self.products = {name: self._make_product(name) for name in self.meters}
        partners = self.admin.create(
            "res.partner",
            [
                {"name": f"{self.source} {owner}", "is_company": True}
                for owner in owners
            ],
        )
        lines = [
            [0, 0, {"product_id": product, "date_start": self.world.month.isoformat()}]
            for product in self.products.values()
        ]
        values = [
            {
                "partner_id": partner,
                "plan_id": self.plan_id,
                "date_start": self.world.month.isoformat(),
                "tz": "UTC",
                "line_ids": lines,
            }
            for partner in partners
        ]
        made = self.admin.create("saas.subscription", values)
        self.admin.call("saas.subscription", "action_activate", made)
        self.subscriptions = dict(zip(owners, made, strict=True))

    def _make_product(self, name: str) -> int:
        meter, label = self.meters[name], f"{self.source} {name}"
        meter_id = self.admin.create(
            "saas.meter",
            {
                "name": label,
                "code": f"{self.source}_{name}".replace("-", "_"),
                "event_type": self.source,
                "aggregation": meter.aggregation,
                "value_key": meter.key or False,
                "unit": name,
                **meter.more,
            },
        )
        income = [("account_type", "=", "income")]
        [income_id] = self.admin.search("account.account", income, limit=1)
        product = self.admin.create(
            "product.product",
            {
                "name": label,
                "type": "service",
                "saas_charge_kind": "usage",
                "saas_meter_id": meter_id,
                "taxes_id": [[6, 0, []]],
                "property_account_income_id": income_id,
            },
        )
        template = self.admin.row("product.product", product, ["product_tmpl_id"])
        self.admin.create(
            "saas.usage.price",
            {
                "product_tmpl_id": template["product_tmpl_id"][0],
                "model": "standard",
                "unit_price": float(meter.price),
            },
        )
        return product

    def tie(self, owners: dict[str, str]) -> None:
        """Tie subjects to the subscriptions of their owners.

        :param owners: owner by subject
        """
        self.admin.create(
            "saas.external.id",
            [
                {
                    "source": self.source,
                    "kind": "subject",
                    "value": subject,
                    "subscription_id": self.subscriptions[owner],
                }
                for subject, owner in owners.items()
            ],
        )

    # Using

    def send(self, events) -> list:
        """Send events with the shipped client.

        :param events: (id, subject, time, data)
        :return: what the server did not store, less repeats
        """
        problems = []
        client = UsageClient(
            self.world.url,
            self.world.access.usage_key,
            self.source,
            on_problem=lambda *problem: problems.append(problem),
        )
        with client:
            for name, subject, when, data in events:
                client.send(self.source, subject, data, name, when)
        return problems

    def stored(self) -> int:
        """Return how many events are stored."""
        return self.admin.count(
            "saas.usage.event", [("source_id.code", "=", self.source)]
        )

    def bill(self) -> int:
        """Bill the month, whatever a check finds unusual; return the run."""
        operator = self.world.as_("billing_operator")
        run_id = operator.create(
            "saas.billing.run",
            {
                "plan_ids": [[6, 0, [self.plan_id]]],
                "date_cutoff": self.world.month_end.isoformat(),
                "date_invoice": self.world.month_end.isoformat(),
                "credit_tolerance": UNCHECKED,
                "first_tolerance": UNCHECKED,
                "variance_tolerance": UNCHECKED,
            },
        )
        operator.call("saas.billing.run", "action_compute", [run_id])
        self._wait(run_id, "computed")
        unready = [("run_id", "=", run_id), ("state", "!=", "ok")]
        assert not operator.rows("saas.billing.run.line", unready, ["state", "why"])
        operator.call("saas.billing.run", "action_review", [run_id])
        approver = self.world.as_("billing_approver")
        approver.call("saas.billing.run", "action_approve", [run_id])
        operator.call("saas.billing.run", "action_post", [run_id])
        self._wait(run_id, "done")
        return run_id

    def _wait(self, run_id: int, state: str) -> None:
        def read():
            return self.admin.row("saas.billing.run", run_id, ["state"])["state"]

        assert wait_for(lambda: read() == state, PATIENCE), read()

    def charged(self, run_id: int | None = None) -> Figures:
        """Return the amounts on posted documents, all or those of a run."""
        owners = {number: owner for owner, number in self.subscriptions.items()}
        meters = {number: meter for meter, number in self.products.items()}
        domain = [
            ("subscription_id", "in", list(owners)),
            ("move_id.state", "=", "posted"),
        ]
        if run_id:
            domain.append(("run_id", "=", run_id))
        names = ["subscription_id", "product_id", "amount"]
        result = defaultdict(lambda: defaultdict(Decimal))
        for row in self.admin.rows("saas.charge", domain, names):
            owner = owners[row["subscription_id"][0]]
            result[owner][meters[row["product_id"][0]]] += cents(repr(row["amount"]))
        return without_zeros(result)

    def priced(self, quantities: Figures) -> Figures:
        """Return the amounts of quantities, to the cent."""
        amounts = {
            owner: {name: cents(of[name] * self.meters[name].price) for name in of}
            for owner, of in quantities.items()
        }
        return without_zeros(amounts)


def cents(amount) -> Decimal:
    """Return an amount rounded half up to cents."""
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


def without_zeros(amounts: Figures) -> Figures:
    """Return the amounts: a charge of nothing is as good as none."""
    result = {
        owner: {meter: one for meter, one in of.items() if one}
        for owner, of in amounts.items()
    }
    return {owner: of for owner, of in result.items() if of}


def difference(later: Figures, earlier: Figures) -> Figures:
    """Return what the later amounts are more than the earlier ones."""
    amounts = {
        owner: {name: of[name] - earlier.get(owner, {}).get(name, 0) for name in of}
        for owner, of in later.items()
    }
    return without_zeros(amounts)
