# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 6: a term comes to its end: opportunity, quotation, signature, next term."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from . import sales
from .billing import money
from .odoo_client import Odoo, ServerError, wait_for
from .report import StoryError
from .world import World

#: A customer of the former system, with a contract that ends unless it is renewed.
ACCOUNT, SIGNATORY = "N11", "Camille Roche"
SOURCE, PRODUCT = "former-billing", "PLAN-FIXED"
MONTHLY = Decimal("650.00")
#: Percent on the price, as the plan says.
UPLIFT = Decimal(4)
#: Days that are left of the term when the contract comes in: its window is open.
DAYS_LEFT = 100
CRON = "saas_subscription_ops.ir_cron_saas_renewal_process"
FIELDS = [
    "outcome",
    "decided_by",
    "lead_id",
    "order_id",
    "amount_available",
    "amount_renewed",
    "amount_pure",
    "amount_expansion",
]


@dataclass(frozen=True)
class Contract:
    """The imported contract.

    :ivar end: first day after the term that ends
    """

    subscription_id: int
    end: date


def play(world: World) -> None:
    """Renew the contract, or find it renewed, and check what became of its term."""
    report = world.report
    report.step(6, "Renewal")
    contract = find_contract(world) or import_contract(world)
    report.fact(
        f"a contract of the former system: {MONTHLY} a month, "
        f"its term ends on {contract.end}"
    )
    renewal = open_renewal(world, contract)
    report.true("the daily job opened renewal and opportunity", renewal["lead_id"])
    yearly = MONTHLY * 12
    report.same("available to renew", money(renewal["amount_available"]), yearly)
    if renewal["outcome"] == "open":
        sign_offer(world, renewal)
    check_renewed(world, contract)
    link = world.as_("sales").link
    report.link("Renewal", link("saas-renewals", renewal["id"]))
    report.link("Board of renewals", link("saas-renewals"))


def next_term(end: date) -> date:
    """Return the end of the term of a year that follows."""
    try:
        return end.replace(year=end.year + 1)
    except ValueError:
        return end.replace(year=end.year + 1, day=28)


def term_before(end: date) -> date:
    """Return the start of the term of a year that ends."""
    try:
        return end.replace(year=end.year - 1)
    except ValueError:
        return end.replace(year=end.year - 1, day=28)


def find_contract(world: World) -> Contract | None:
    """Return the contract, if an earlier telling has brought it in."""
    rows = world.as_("administrator").rows(
        "saas.subscription",
        [("partner_id.ref", "=", ACCOUNT)],
        ["initial_term_end"],
        limit=1,
    )
    if not rows or not rows[0]["initial_term_end"]:
        return None
    return Contract(rows[0]["id"], date.fromisoformat(rows[0]["initial_term_end"]))


def import_contract(world: World) -> Contract:
    """Bring in the contract as a migration does, and agree its term."""
    admin = world.as_("administrator")
    end = world.today + timedelta(days=DAYS_LEFT)
    row = {
        "reference": f"{SOURCE}-{ACCOUNT}",
        "customer": ACCOUNT,
        "product": PRODUCT,
        "start": str(term_before(end)),
        "monthly_amount": str(MONTHLY),
    }
    admin.call("saas.subscription", "import_history", [row], source=SOURCE)
    [subscription] = admin.search(
        "saas.subscription", [("partner_id.ref", "=", ACCOUNT)]
    )
    terms = {"term_end": str(end), "date_end": str(end)}
    owner = admin.ref("saas_demo.user_sales")
    admin.write("saas.subscription", subscription, {**terms, "user_id": owner})
    return Contract(subscription, end)


def open_renewal(world: World, contract: Contract) -> dict:
    """Let the daily job open the window, unless it has; return the renewal.

    :raise StoryError: it did not
    """
    admin = world.as_("administrator")
    if not find_renewal(admin, contract):
        try:
            admin.run_job(CRON)
        except ServerError as busy:
            # The scheduler is at it itself.
            world.report.detail(str(busy).splitlines()[0])
    renewal = wait_for(lambda: find_renewal(admin, contract), 60)
    if not renewal:
        raise StoryError("The daily job of renewals did not open the renewal.")
    return renewal


def find_renewal(reader: Odoo, contract: Contract) -> dict | None:
    """Return the renewal of the term once it has its opportunity."""
    rows = reader.rows(
        "saas.renewal",
        [
            ("subscription_id", "=", contract.subscription_id),
            ("term_end", "=", str(contract.end)),
            ("lead_id", "!=", False),
        ],
        FIELDS,
    )
    return rows[0] if rows else None


def sign_offer(world: World, renewal: dict) -> None:
    """Send the quotation of the next term and have it signed in the portal."""
    report, seller = world.report, world.as_("sales")
    seller.call("saas.renewal", "action_make_quote", [renewal["id"]])
    order = seller.row("saas.renewal", renewal["id"], ["order_id"])["order_id"]
    if seller.row("sale.order", order[0], ["state"])["state"] == "draft":
        seller.call("sale.order", "action_quotation_sent", [order[0]])
    report.fact(f"{order[1]} sent: the price rises by {UPLIFT} percent")
    report.link("Renewal in the portal", world.url + sales.portal_path(world, order[0]))
    answer = sales.sign(world, order[0], SIGNATORY)
    report.true(
        f"{SIGNATORY} signed the renewal in the portal",
        answer.get("force_refresh"),
        str(answer),
    )


def check_renewed(world: World, contract: Contract) -> None:
    """Check the outcome, the new term and what the next year is worth."""
    report, admin = world.report, world.as_("administrator")
    renewal = find_renewal(admin, contract)
    report.same(
        "the term is",
        (renewal["outcome"], renewal["decided_by"]),
        ("renewed", "signature"),
    )
    yearly = MONTHLY * 12
    raised = yearly * UPLIFT / 100
    report.same(
        "pure renewal and expansion, apart",
        tuple(money(renewal[f"amount_{part}"]) for part in ("pure", "expansion")),
        (yearly, raised),
    )
    terms = admin.row(
        "saas.subscription", contract.subscription_id, ["term_end", "mrr"]
    )
    end = next_term(contract.end)
    report.same("the contract now runs until", terms["term_end"], str(end))
    if world.today < contract.end:
        report.same("its MRR before the next term", money(terms["mrr"]), MONTHLY)
    report.row("Renewed for a year, with uplift", money(renewal["amount_renewed"]))
    report.row("Renewed term ends on", str(end))
