# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Many equal subscriptions, billed month by month, and what must be true of a month.

Amounts are read from the database itself, so that neither caches nor access rights of
the suite stand between a test and what was committed.
"""

import random
import time
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tests.e2e.private import BreakableServer, PrivateCluster
from tools.story.odoo_client import Odoo, wait_for
from tools.story.world import Access

# A safeguard only: nothing here is a measurement.
PATIENCE = 300.0
MONTHS = [date(2024 + n // 12, n % 12 + 1, 1) for n in range(24)]
PRICES = ("100.00", "33.33", "0.99")
AMOUNT = sum(map(Decimal, PRICES))
OPEN_JOBS = "('wait_dependencies', 'pending', 'enqueued', 'started')"


@dataclass
class Stage:
    """A private server with subscriptions on it.

    :ivar subscriptions: their ids, one of each of the partners
    :ivar odd_id: a product that only the last subscription has
    :ivar month: index of the next month to bill
    :ivar struck: ids of the jobs that were cut off
    """

    cluster: PrivateCluster
    server: BreakableServer
    subscriptions: list[int] = field(default_factory=list)
    partners: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)
    odd_id: int = 0
    income_id: int = 0
    plan_id: int = 0
    month: int = 0
    struck: set[str] = field(default_factory=set)
    sessions: dict[str, Odoo] = field(default_factory=dict)

    def as_(self, role: str) -> Odoo:
        """Return the session of one of the demo's people."""
        if role not in self.sessions:
            access = Access.load(self.server.access)
            self.sessions[role] = Odoo(self.server.url).sign_in(
                self.server.database, access.users[role], access.password
            )
        return self.sessions[role]

    def sql(self, query: str) -> list[list[str]]:
        """Return the rows of a query, everything as text."""
        text = self.cluster.sql(query, self.server.database)
        return [row.split("|") for row in text.splitlines()]

    def number(self, query: str) -> int:
        """Return the one number a query gives."""
        return int(self.sql(query)[0][0])

    # Making

    def make_subscriptions(self, count: int) -> None:
        """Create customers with a subscription each, active from the first month."""
        admin = self.as_("administrator")
        self.plan_id = admin.create(
            "saas.plan",
            {
                "name": "Fault test",
                "support_tier_id": admin.search("saas.support.tier", [], limit=1)[0],
            },
        )
        income = [("account_type", "=", "income")]
        self.income_id = admin.search("account.account", income, limit=1)[0]
        self.products = admin.create(
            "product.product", [self.prepare_product(f"Part {p}") for p in PRICES]
        )
        self.odd_id = admin.create("product.product", self.prepare_product("Odd part"))
        self.partners = admin.create(
            "res.partner",
            [{"name": f"Fault customer {n}", "is_company": True} for n in range(count)],
        )
        self.subscriptions = admin.create(
            "saas.subscription",
            [
                self.prepare_subscription(partner, is_odd=partner == self.partners[-1])
                for partner in self.partners
            ],
        )
        admin.call("saas.subscription", "action_activate", self.subscriptions)

    def prepare_product(self, name: str) -> dict:
        """Return the values of a product with an income account of its own."""
        return {
            "name": name,
            "type": "service",
            "taxes_id": [[6, 0, []]],
            "property_account_income_id": self.income_id,
        }

    def prepare_subscription(self, partner_id: int, is_odd: bool) -> dict:
        """Return the values of a subscription of all products.

        :param is_odd: with the odd part instead of the last one
        """
        products = [*self.products[:-1], self.odd_id] if is_odd else self.products
        lines = [
            {"product_id": product, "price_unit": float(price)}
            for product, price in zip(products, PRICES, strict=True)
        ]
        return {
            "partner_id": partner_id,
            "plan_id": self.plan_id,
            "date_start": MONTHS[0].isoformat(),
            "line_ids": [[0, 0, line] for line in lines],
        }

    # Runs

    def create_run(self, **values) -> int:
        """Create a run for the next month, not computed yet."""
        day = MONTHS[self.month]
        return self.as_("billing_operator").create(
            "saas.billing.run",
            {
                "plan_ids": [[6, 0, [self.plan_id]]],
                "date_cutoff": MONTHS[self.month + 1].isoformat(),
                "date_invoice": day.isoformat(),
                "credit_tolerance": 1000,
                **values,
            },
        )

    def call(self, run_id: int, step: str, role: str = "billing_operator"):
        """Press a button of a run."""
        return self.as_(role).call("saas.billing.run", step, [run_id])

    def compute(self, run_id: int) -> None:
        """Compute a run and wait for its preview."""
        self.call(run_id, "action_compute")
        self.wait_state(run_id, "computed")

    def approve(self, run_id: int) -> None:
        """Review a computed run and have the other person approve it."""
        self.call(run_id, "action_review")
        self.call(run_id, "action_approve", "billing_approver")

    def prepare_run(self, **values) -> int:
        """Return an approved run for the next month."""
        run_id = self.create_run(**values)
        self.compute(run_id)
        self.approve(run_id)
        return run_id

    def state(self, run_id: int) -> str:
        """Return the state of a run as committed."""
        return self.sql(f"SELECT state FROM saas_billing_run WHERE id = {run_id}")[0][0]

    def wait_state(self, run_id: int, state: str, seconds: float = PATIENCE) -> None:
        """Wait until a run is in a state.

        :raise AssertionError: it does not get there
        """
        reached = wait_for(lambda: self.state(run_id) == state, seconds, pause=0.2)
        assert reached, self.describe(run_id)

    def describe(self, run_id: int) -> str:
        """Say how far a run is, for a failing test."""
        lines = self.lines(run_id)
        jobs = self.sql(
            "SELECT state, retry, left(coalesce(exc_message, ''), 200), name"
            " FROM queue_job WHERE state != 'done' ORDER BY id DESC LIMIT 20"
        )
        return f"run is {self.state(run_id)}, lines {lines}, jobs {jobs}"

    def lines(self, run_id: int) -> dict[str, int]:
        """Count the lines of a run by state."""
        rows = self.sql(
            "SELECT state, count(*) FROM saas_billing_run_line"
            f" WHERE run_id = {run_id} GROUP BY state"
        )
        return {state: int(count) for state, count in rows}

    def post(self, run_id: int) -> None:
        """Post an approved run and wait for its end."""
        self.call(run_id, "action_post")
        self.wait_state(run_id, "done")

    def exceptions(self, run_id: int) -> list[dict]:
        """Return the open exceptions of the lines of a run."""
        operator = self.as_("billing_operator")
        lines = operator.search("saas.billing.run.line", [("run_id", "=", run_id)])
        return operator.rows(
            "saas.exception",
            [
                ("res_model", "=", "saas.billing.run.line"),
                ("res_id", "in", lines),
                ("state", "=", "open"),
            ],
            ["code", "name", "res_id", "retry_method"],
        )

    # Jobs

    def running_jobs(self, method: str) -> set[str]:
        """Return the ids of the started jobs that no blow has hit yet."""
        rows = self.sql(
            "SELECT id FROM queue_job WHERE state = 'started'"
            f" AND method_name = '{method}'"
        )
        return {row[0] for row in rows} - self.struck

    def strike(self, method: str, blow, rng: random.Random) -> int:
        """Break something while a job runs, after a random moment of its life.

        :param method: of the jobs to hit
        :param blow: what to do
        :return: how many jobs were cut off
        """
        running = wait_for(lambda: self.running_jobs(method), 60, pause=0.02)
        if not running:
            return 0
        time.sleep(rng.uniform(0.05, 1.0))
        blow()
        # A job that had come to its end would be done by now.
        hit = self.running_jobs(method)
        self.struck |= hit
        return len(hit)

    def struck_jobs_left(self) -> list[list[str]]:
        """Return the jobs that were cut off and still count as running."""
        ids = ", ".join(self.struck) or "0"
        return self.sql(
            "SELECT id, state, name FROM queue_job"
            f" WHERE id IN ({ids}) AND state IN ('enqueued', 'started')"
        )

    def wait_idle(self, seconds: float = PATIENCE) -> None:
        """Wait until no job is left, also none that a killed worker left behind.

        :raise AssertionError: there still is one
        """
        query = f"SELECT count(*) FROM queue_job WHERE state IN {OPEN_JOBS}"
        idle = wait_for(lambda: self.number(query) == 0, seconds, pause=0.3)
        assert idle, self.sql(
            "SELECT id, state, retry, name, date_enqueued FROM queue_job"
            f" WHERE state IN {OPEN_JOBS}"
        )

    # Truth

    def check_month(self, count: int | None = None, amount: Decimal = AMOUNT) -> None:
        """Check the month that was billed: nothing lost, nothing twice.

        :param count: invoices there must be, default one per subscription
        """
        count = len(self.subscriptions) if count is None else count
        start = MONTHS[self.month]
        charges = f"""
            FROM saas_charge c JOIN saas_subscription s ON s.id = c.subscription_id
            WHERE s.plan_id = {self.plan_id} AND c.service_start = '{start}'"""
        booked = self.sql(
            "SELECT count(*), count(DISTINCT c.subscription_id),"
            f" count(DISTINCT c.move_id), coalesce(sum(c.amount), 0) {charges}"
        )[0]
        assert [int(n) for n in booked[:3]] == [count * len(PRICES), count, count]
        assert Decimal(booked[3]) == count * amount
        moves = f"""
            SELECT id, state, amount_untaxed, amount_total FROM account_move
            WHERE id IN (SELECT c.move_id {charges})"""
        states = self.sql(
            "SELECT state, count(*), sum(amount_untaxed),"
            f" count(*) FILTER (WHERE amount_total = {amount})"
            f" FROM ({moves}) m GROUP BY state"
        )
        assert states == [["posted", str(count), str(count * amount), str(count)]]
        events = self.number(
            "SELECT count(*) FROM saas_event WHERE name = 'invoice.posted'"
            " AND res_model = 'account.move'"
            f" AND res_id IN (SELECT c.move_id {charges})"
        )
        assert events == count
        self.check_documents()

    def check_documents(self) -> None:
        """Check all invoices made here: no drafts, no orphans, balanced, no gaps."""
        mine = """
            SELECT m.* FROM account_move m JOIN res_partner p ON p.id = m.partner_id
             WHERE p.name LIKE 'Fault customer %'"""
        assert not self.sql(f"SELECT id FROM ({mine}) m WHERE state != 'posted'")
        orphans = f"""
            SELECT id FROM ({mine}) m
             WHERE NOT EXISTS (SELECT FROM saas_charge c WHERE c.move_id = m.id)"""
        assert not self.sql(orphans)
        unbalanced = """
            SELECT move_id FROM account_move_line
             GROUP BY move_id HAVING sum(balance) != 0"""
        assert not self.sql(unbalanced)
        gaps = f"""
            SELECT journal_id, sequence_prefix, count(*), max(sequence_number)
              FROM ({mine}) m
             GROUP BY journal_id, sequence_prefix
            HAVING count(*) != max(sequence_number)
                OR count(DISTINCT sequence_number) != count(*)"""
        assert not self.sql(gaps)
