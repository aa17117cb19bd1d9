# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 5: the figures of the dashboard, computed a second time without the suite."""

from decimal import Decimal

from .billing import CENT, PLAN_PRICE, expected_usage
from .world import World

CRON = "saas_core.ir_cron_saas_kpi_compute"
DASHBOARD = "saas_dashboards.spreadsheet_dashboard_saas_executive"


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
