# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The SLA cron with many open clocks, few of them due.

Tickets, their log and clocks are copied from one real ticket by SQL. Two kinds of due
clocks are measured: warnings, and breaches with all that hangs on them (result,
exception, ladder step with an activity, three ledger events). The same is measured
with few open clocks, beside which the number of queries must not grow.
"""

from __future__ import annotations

import json

from tools.bench import Context, Row

OPEN = 100_000
FEW = 2_000
DUE = 100
SECONDS = 2.0

SEED = """
import json, time
from datetime import datetime, timedelta

AT = datetime(2026, 1, 13, 12, 0)
WARN, LATE = timedelta(minutes=20), timedelta(hours=1)
env = env(context=dict(env.context, saas_sla_at=AT - timedelta(minutes=30)))

def template(name, warn):
    team = env["helpdesk.ticket.team"].create({"name": name})
    user = env["res.users"].create({
        "name": name, "login": name, "email": f"{name}@suite.example",
        "group_ids": [(4, env.ref("saas_core.group_saas_core_support_lead").id)],
    })
    team.write({"user_ids": [(4, user.id)], "user_id": user.id})
    account = env["res.partner"].create({"name": name, "is_company": True})
    policy = env["saas.sla.policy"].create({
        "name": name, "sequence": 0, "team_ids": [(4, team.id)],
        "calendar_mode": "always",
        "target_ids": [
            (0, 0, {"metric": "first_response", "duration": 1, "warn_percent": warn}),
            (0, 0, {"metric": "resolution", "duration": 90, "warn_percent": 0}),
        ],
        "escalation_ids": [(0, 0, {
            "name": "Tell the leader", "metric": "first_response",
            "action": "activity", "recipient": "leader",
        })],
    })
    ticket = env["helpdesk.ticket"].create({
        "name": name, "description": "x", "team_id": team.id,
        "user_id": user.id, "partner_id": account.id,
    })
    env.flush_all()
    assert len(ticket.saas_clock_ids) == 2, ticket.saas_policy_reason
    return ticket

def columns(table, skip):
    env.cr.execute(
        "SELECT string_agg(quote_ident(column_name), ',')"
        " FROM information_schema.columns"
        " WHERE table_name = %s AND NOT column_name = ANY(%s)", [table, skip])
    return env.cr.fetchone()[0]

def copies(ticket, count):
    fields = columns("helpdesk_ticket", ["id", "saas_correlation_id", "access_token"])
    env.cr.execute(
        f"INSERT INTO helpdesk_ticket (saas_correlation_id, {fields})"
        f" SELECT md5(random()::text), {fields} FROM helpdesk_ticket,"
        " generate_series(1, %s) WHERE helpdesk_ticket.id = %s RETURNING id",
        [count, ticket.id])
    ids = [row[0] for row in env.cr.fetchall()]
    for table in ("saas_sla_event", "saas_sla_clock"):
        fields = columns(table, ["id", "ticket_id"])
        env.cr.execute(
            f"INSERT INTO {table} (ticket_id, {fields}) SELECT new.id, {fields}"
            f" FROM {table}, unnest(%s) AS new(id) WHERE {table}.ticket_id = %s"
            f" ORDER BY new.id, {table}.id", [ids, ticket.id])
    return ids

def make_late(ids, late):
    env.cr.execute(
        "UPDATE saas_sla_event SET occurred_at = occurred_at - %s"
        " WHERE ticket_id = ANY(%s)", [late, ids])
    env.cr.execute(
        "UPDATE saas_sla_clock SET started_at = started_at - %s, due_at = due_at - %s,"
        " warn_at = warn_at - %s, next_action_at = next_action_at - %s"
        " WHERE ticket_id = ANY(%s)",
        [late, late, late, late, ids])

def measure(ids, late):
    make_late(ids, late)
    env.cr.execute("ANALYZE saas_sla_clock")
    env.cr.execute("ANALYZE saas_sla_event")
    env.cr.execute("ANALYZE helpdesk_ticket")
    env.cr.commit()
    env.invalidate_all()
    Clock = env["saas.sla.clock"].with_context(saas_sla_at=AT)
    queries, start = env.cr.sql_log_count, time.perf_counter()
    processed = Clock._process_due(AT)
    env.cr.commit()
    result = {
        "seconds": time.perf_counter() - start,
        "queries": env.cr.sql_log_count - queries,
        "processed": processed,
        "open": Clock.search_count([("is_open", "=", True)]),
    }
    start = time.perf_counter()
    assert Clock._process_due(AT) == 0
    result["idle"] = time.perf_counter() - start
    name = "ticket.sla_warning" if late == WARN else "ticket.sla_breached"
    told = env["saas.event"].search_count(
        [("name", "=", name), ("res_model", "=", "helpdesk.ticket"),
         ("res_id", "in", ids)])
    assert told == len(ids) == processed, (told, processed)
    return result

def both():
    warnings, breaches = copies(warned, DUE), copies(late, DUE)
    return {"warnings": measure(warnings, WARN), "breaches": measure(breaches, LATE)}
"""

RUN = """
warned, late = template("warned", 80), template("late", 0)
env.cr.execute(
    "UPDATE saas_sla_clock SET next_action_at = NULL WHERE next_action_at <= %s", [AT])
measure(copies(late, 10), LATE)  # warm
copies(late, FEW // 2 - 2 * DUE)
few = both()
copies(late, (OPEN - FEW) // 2)
many = both()
print("RESULT " + json.dumps({"few": few, "many": many}))
"""


def run(context: Context) -> list[Row]:
    """Measure the cron and print it beside the run with few open clocks.

    :param context: database and shell
    :return: rows with the budgets of the SLA cron
    """
    sizes = f"OPEN, FEW, DUE = {OPEN}, {FEW}, {DUE}\n"
    with context.database(["saas_helpdesk_sla"]) as name:
        output = context.shell(name, SEED + sizes + RUN)
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    figures = json.loads(line.removeprefix("RESULT "))
    few, many = figures["few"], figures["many"]
    rows = []
    for kind, label in (("warnings", "warnings"), ("breaches", "breaches")):
        got, peer = many[kind], few[kind]
        beside = f"{peer['open']:,} open"
        rows += [
            Row(
                f"SLA cron, {got['open']:,} open, {got['processed']} {label}",
                got["seconds"],
                "s",
                peer["seconds"],
                beside,
                f"< {SECONDS:g} s",
                ok=got["seconds"] < SECONDS,
            ),
            Row(
                "  queries of that run",
                got["queries"],
                "queries",
                peer["queries"],
                beside,
                "as with few open",
                ok=got["queries"] <= peer["queries"] * 1.05,
            ),
        ]
    idle, peer = many["breaches"]["idle"], few["breaches"]["idle"]
    rows.append(
        Row("SLA cron, nothing due", idle * 1000, "ms", peer * 1000, "few open")
    )
    return rows
