# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 5: the figures of the dashboard, computed a second time without the suite."""

from decimal import Decimal

from .billing import CENT, PLAN_PRICE, expected_usage
from .world import World

CRON = "saas_core.ir_cron_saas_kpi_compute"
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
    admin.call("ir.cron", "method_direct_trigger", [admin.ref(CRON)])


def stored(world: World) -> dict[str, Decimal]:
    """Return the newest total of every KPI, as the dashboard takes it."""
    rows = world.as_("administrator").rows(
        "saas.kpi.value",
        [("saas_is_latest", "=", True), ("dimension", "in", ["", False])],
        ["kpi_id", "value", "date_start"],
    )
    codes = {
        row["id"]: row["code"]
        for row in world.as_("administrator").rows("saas.kpi", [], ["code"])
    }
    return {
        codes[row["kpi_id"][0]]: Decimal(repr(row["value"])).quantize(CENT)
        for row in rows
    }


def independent(world: World) -> dict[str, Decimal]:
    """Return the same figures from the records, by plain arithmetic.

    MRR and invoiced usage come from the price list and the log alone.
    """
    admin = world.as_("administrator")
    outcomes = admin.rows("saas.sla.result", [], ["outcome", "decided_at"])
    month = f"{world.today:%Y-%m}"
    decided = [r["outcome"] for r in outcomes if r["decided_at"].startswith(month)]
    met = Decimal(decided.count("met") * 100) / len(decided)
    return {
        "mrr": (PLAN_PRICE * len(world.customers)).quantize(CENT),
        "active_subscriptions": Decimal(len(world.customers)),
        "invoiced_usage": sum(expected_usage(world).values()).quantize(CENT),
        "open_exceptions": Decimal(
            admin.count("saas.exception", [("state", "in", ["open", "retrying"])])
        ),
        "sla_met_rate": met.quantize(CENT),
        "open_tickets": Decimal(
            admin.count("helpdesk.ticket", [("stage_id.closed", "=", False)])
        ),
    }


def verify_ledger(world: World) -> list[dict]:
    """Seal the rest of the event ledger; return the finding for each chain."""
    admin = world.as_("administrator")
    admin.call("ir.cron", "method_direct_trigger", [admin.ref(SEAL)])
    return admin.call(CHAIN, "verify", admin.search(CHAIN, []))
