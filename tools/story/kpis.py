# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 8: the figures of the dashboard, computed a second time without the suite."""

from decimal import Decimal

from .billing import CENT, money
from .world import World, next_month

CRON = "saas_core.ir_cron_saas_kpi_compute"
HISTORY_DAYS = 100
FLOWS = ["invoiced_usage", "invoiced_recurring"]
USAGE_PRODUCTS = ("api_calls", "data_transfer", "workflow_minutes")
CHAIN = "saas.event.chain"
SEAL = "saas_core.ir_cron_saas_event_seal"
DASHBOARD = "saas_dashboards.spreadsheet_dashboard_saas_executive"

#: Scorecard titles of the dashboard: KPI code, and how the card writes a value.
SHOWN = {
    "MRR": ("mrr", "{:,.2f}".format),
    "Active subscriptions": ("active_subscriptions", "{:,.0f}".format),
    "Invoiced usage": ("invoiced_usage", "{:,.2f}".format),
    "Open exceptions": ("open_exceptions", "{:,.0f}".format),
    "SLA met": ("sla_met_rate", "{:.1f}%".format),
    "Open tickets": ("open_tickets", "{:,.0f}".format),
    "Onboardings open": ("onboarding_open", "{:,.0f}".format),
}


def compute(world: World) -> None:
    """Run the KPI cron by hand, as the button "Run Manually" does."""
    admin = world.as_("administrator")
    admin.run_job(CRON)


def compute_history(world: World) -> None:
    """Fill in the days since the story's month began, so that charts have a line.

    For a log of long ago only the month of its invoices: nobody looks at years of days.
    """
    admin = world.as_("administrator")
    recent = (world.today - world.month).days <= HISTORY_DAYS
    first, last = (
        (world.month, world.today) if recent else (world.month_end, world.month_end)
    )
    wizard = admin.create(
        "saas.kpi.recompute.wizard", {"date_from": str(first), "date_to": str(last)}
    )
    admin.call("saas.kpi.recompute.wizard", "action_recompute", [wizard])


def stored(world: World) -> dict[str, Decimal]:
    """Return the totals the dashboard shows: of stocks the newest, of flows the month.

    The month is the one of the story's invoices.
    """
    totals = [("dimension", "in", ["", False])]
    newest = _values(world, [("saas_is_latest", "=", True), *totals])
    month = [("date_start", "=", str(world.month_end)), ("kpi_id.code", "in", FLOWS)]
    return newest | _values(world, [*month, *totals])


def _values(world: World, domain: list) -> dict[str, Decimal]:
    admin = world.as_("administrator")
    codes = {row["id"]: row["code"] for row in admin.rows("saas.kpi", [], ["code"])}
    rows = admin.rows("saas.kpi.value", domain, ["kpi_id", "value"])
    return {
        codes[row["kpi_id"][0]]: Decimal(repr(row["value"])).quantize(CENT)
        for row in rows
    }


def independent(world: World) -> dict[str, Decimal]:
    """Return the same figures by plain arithmetic over the records behind them.

    Step 4 has tied the invoice lines to the log file already.
    """
    admin = world.as_("administrator")
    outcomes = admin.rows("saas.sla.result", [], ["outcome", "decided_at"])
    month = f"{world.today:%Y-%m}"
    decided = [r["outcome"] for r in outcomes if r["decided_at"].startswith(month)]
    figures = {
        "mrr": _mrr(world),
        "active_subscriptions": admin.count(
            "saas.subscription", [("state", "=", "active")]
        ),
        "invoiced_usage": _invoiced_usage(world),
        "open_exceptions": admin.count(
            "saas.exception", [("state", "in", ["open", "retrying"])]
        ),
        "sla_met_rate": Decimal(decided.count("met") * 100) / len(decided),
        "open_tickets": admin.count(
            "helpdesk.ticket", [("stage_id.closed", "=", False)]
        ),
        "onboarding_open": admin.count(
            "project.project",
            [("saas_order_id", "!=", False), ("saas_live_on", "=", False)],
        ),
    }
    return {code: Decimal(value).quantize(CENT) for code, value in figures.items()}


def _mrr(world: World) -> Decimal:
    lines = world.as_("administrator").rows(
        "saas.subscription.line",
        [
            ("subscription_id.state", "=", "active"),
            ("kind", "=", "recurring"),
            ("date_start", "<=", f"{world.today}"),
            "|",
            ("date_end", "=", False),
            ("date_end", ">", f"{world.today}"),
        ],
        ["quantity", "price_unit", "discount"],
    )
    return sum(
        Decimal(repr(line["quantity"]))
        * Decimal(repr(line["price_unit"]))
        * (100 - Decimal(repr(line["discount"])))
        / 100
        for line in lines
    )


def _invoiced_usage(world: World) -> Decimal:
    admin = world.as_("administrator")
    products = [admin.ref(f"saas_demo.product_{name}") for name in USAGE_PRODUCTS]
    lines = admin.rows(
        "account.move.line",
        [
            ("product_id", "in", products),
            ("parent_state", "=", "posted"),
            ("invoice_date", ">=", world.month_end.isoformat()),
            ("invoice_date", "<", next_month(world.month_end).isoformat()),
        ],
        ["price_subtotal"],
    )
    return sum(money(line["price_subtotal"]) for line in lines)


def verify_ledger(world: World) -> list[dict]:
    """Seal the rest of the event ledger; return the finding for each chain."""
    admin = world.as_("administrator")
    admin.run_job(SEAL)
    return admin.call(CHAIN, "verify", admin.search(CHAIN, []))
