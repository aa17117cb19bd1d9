# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Billing: invoices of three lines drafted, booked and posted, beside OCA `contract`.

Both run in the same process one after the other, in chunks of the same size. Ours
includes what a billing run does besides: check what was approved, write the charge
ledger and the events. Queries per invoice are counted at two sizes, memory after the
larger one, and the same number of invoices is posted by one and by two processes.

`BENCH_INVOICES` sets the larger size (10,000 for the full claim; takes a while).
"""

from __future__ import annotations

import json
import os
import threading
import time

from tools.bench import Context, Row

CHUNK = 50
FEW = 100
MANY = 400
IDLE = 5_000
WANTED = 2.0
WANTED_TWO = 1.6
WANTED_IDLE = 5.0
WANTED_MEMORY = 600

SEED = """
import json, os, time
from datetime import date
from odoo import Command
DAY, CUTOFF = date(2026, 3, 1), date(2026, 4, 1)

def make_company():
    company = env["res.company"].search([("name", "=", "Bench Ltd")])
    if not company:
        company = env["res.company"].create({"name": "Bench Ltd"})
        env["account.chart.template"].try_loading(
            "generic_coa", company, install_demo=False)
    env.user.write({"company_ids": [Command.link(company.id)]})
    return company

company = make_company()
env = env(context=dict(env.context, allowed_company_ids=company.ids))
company = company.with_env(env)
tax = company.account_sale_tax_id
products = env["product.product"].search([("name", "like", "Bench service")])
products = products or env["product.product"].create([
    {"name": f"Bench service {n}", "type": "service", "list_price": 10 * n,
     "taxes_id": [Command.set(tax.ids)]} for n in (1, 2, 3)])
plan = env["saas.plan"].search([("name", "=", "Bench")], limit=1)
plan = plan or env["saas.plan"].create({"name": "Bench", "company_id": company.id})

def partners(count, kind):
    return env["res.partner"].create([
        {"name": f"{kind} {n}", "is_company": True} for n in range(count)])

def contracts(count):
    made = env["contract.contract"].create([{
        "name": f"Contract {n}", "partner_id": partner.id, "line_recurrence": False,
        "recurring_rule_type": "monthly", "recurring_interval": 1,
        "date_start": DAY, "company_id": company.id,
        "contract_line_ids": [Command.create({
            "product_id": product.id, "name": product.name, "quantity": 2,
            "price_unit": 10.0, "date_start": DAY, "recurring_next_date": DAY})
            for product in products],
    } for n, partner in enumerate(partners(count, "Contract"))])
    env.cr.commit()
    return made

def subscriptions(count):
    Subscription = env["saas.subscription"].with_context(tracking_disable=True)
    made = Subscription.create([{
        "partner_id": partner.id, "plan_id": plan.id, "date_start": DAY, "tz": "UTC",
        "company_id": company.id,
        "line_ids": [Command.create(
            {"product_id": product.id, "quantity": 2, "price_unit": 10.0})
            for product in products],
    } for partner in partners(count, "Subscription")])
    made.action_activate()
    env.cr.commit()
    return made

def approved(made, date_cutoff=CUTOFF):
    # Who approves is not what is measured here: the state is set by SQL.
    run = env["saas.billing.run"].create({
        "company_id": company.id, "date_cutoff": date_cutoff, "date_invoice": DAY,
        "partner_ids": [Command.set(made.partner_id.ids)]})
    env.cr.commit()
    run.with_context(queue_job__no_delay=True).action_compute()
    run.invalidate_recordset()
    user = env["res.users"].search([("login", "=", "bench_approver")])
    user = user or env["res.users"].create(
        {"name": "Approver", "login": "bench_approver"})
    env.flush_all()
    env.cr.execute("UPDATE saas_billing_run_line SET state = 'ok' WHERE run_id = %s",
        [run.id])
    env.cr.execute("UPDATE saas_billing_run SET state = 'posting',"
        " approved_by_id = %s WHERE id = %s", [user.id, run.id])
    env.cr.commit()
    env.invalidate_all()
    return run

def chunks(ids):
    for start in range(0, len(ids), CHUNK):
        yield ids[start:start + CHUNK]

def resident():
    # In pages: what the process holds now, not what preparing the test once took.
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2 ** 20

def post_theirs(ids):
    for part in chunks(ids):
        moves = env["contract.contract"].browse(part)._recurring_create_invoice(DAY)
        moves.action_post()
        env.cr.commit()
        env.invalidate_all()

def post_ours(ids):
    for part in chunks(ids):
        env["saas.billing.run.line"].browse(part)._post_chunk()
        env.cr.commit()
        env.invalidate_all()

def measure(function, ids):
    env.cr.commit()
    env.invalidate_all()
    held = resident()
    queries, start = env.cr.sql_log_count, time.perf_counter()
    function(ids)
    seconds = time.perf_counter() - start
    return {
        "count": len(ids), "seconds": seconds, "rate": len(ids) / seconds,
        "queries": (env.cr.sql_log_count - queries) / len(ids),
        "memory": resident(), "growth": resident() - held,
    }
"""

COMPARE = """
post_theirs(contracts(5).ids)
post_ours(approved(subscriptions(5)).line_ids.ids)
result = {"theirs": measure(post_theirs, contracts(FEW).ids)}
for name, count in (("few", FEW), ("many", MANY)):
    run = approved(subscriptions(count))
    result[name] = measure(post_ours, run.line_ids.ids)
    posted = run.line_ids.filtered(lambda line: line.state == "posted")
    assert len(posted) == count, run.line_ids.mapped("reason")
print("RESULT " + json.dumps(result))
"""

PREPARE = """
print("RESULT " + json.dumps(
    [approved(subscriptions(FEW * 2)).line_ids.ids for _n in range(2)]))
"""

# Both wait for the same moment, so that starting up is not measured.
SHARE = """
ids = json.loads('''%(ids)s''')
env["saas.billing.run.line"].browse(ids)._get_invoice_groups()
while time.time() < %(start)f:
    time.sleep(0.01)
begin = time.time()
for part in chunks(ids):
    for attempt in range(5):
        try:
            env["saas.billing.run.line"].browse(part)._post_chunk()
            env.cr.commit()
            break
        except Exception:  # as the queue does: again, on fresh data
            if attempt == 4:
                raise
            env.cr.rollback()
        finally:
            env.invalidate_all()
print("RESULT " + json.dumps([begin, time.time()]))
"""

NOTHING_DUE = """
count = env["saas.subscription"].search_count([("company_id", "=", company.id)])
made = subscriptions(max(IDLE - count, 0))
everything = env["saas.subscription"].search([("company_id", "=", company.id)])
for part in range(0, len(everything), 500):
    post_ours(approved(everything[part:part + 500]).line_ids.ids)
    env.cr.commit()
run = env["saas.billing.run"].create({
    "company_id": company.id, "date_cutoff": CUTOFF, "date_invoice": DAY})
env.cr.commit()
env.invalidate_all()
start = time.perf_counter()
run.with_context(queue_job__no_delay=True).action_compute()
env.cr.commit()
print("RESULT " + json.dumps(
    [time.perf_counter() - start, len(everything), len(run.line_ids)]))
"""


def _run(context: Context, database: str, script: str, many: int) -> object:
    sizes = f"CHUNK, FEW, MANY, IDLE = {CHUNK}, {FEW}, {many}, {IDLE}\n"
    output = context.shell(database, sizes + SEED + script)
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def _share(context: Context, database: str, parts: list[list[int]]) -> float:
    """Post the parts at the same time, a process each.

    :return: seconds from the first beginning to the last end
    """
    start = time.time() + 15.0
    spans: list = []

    def work(ids: list[int]) -> None:
        script = SHARE % {"ids": json.dumps(ids), "start": start}
        spans.append(_run(context, database, script, FEW))

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(spans) != len(parts):
        raise RuntimeError("a process that posted invoices failed, see its output")
    return max(end for _begin, end in spans) - min(begin for begin, _end in spans)


def _compare(context: Context, database: str, many: int) -> list[Row]:
    result = _run(context, database, COMPARE, many)
    theirs, few, large = result["theirs"], result["few"], result["many"]
    ratio = few["rate"] / theirs["rate"]
    return [
        Row(
            "invoices of 3 lines, booked and posted",
            few["rate"],
            "invoices/s",
            theirs["rate"],
            "OCA contract",
            f">= {WANTED:g} x",
            ok=ratio >= WANTED,
        ),
        Row("  times as fast", ratio, "x"),
        Row(
            "  queries per invoice",
            few["queries"],
            "queries",
            theirs["queries"],
            "OCA contract",
        ),
        Row(
            f"  queries per invoice, {large['count']:,}",
            large["queries"],
            "queries",
            few["queries"],
            f"{few['count']:,}",
            "as with few",
            ok=large["queries"] <= few["queries"] * 1.1,
        ),
        Row(
            f"  memory after {large['count']:,}",
            large["memory"],
            "MB",
            few["memory"],
            f"after {few['count']:,}",
            f"< {WANTED_MEMORY} MB",
            ok=large["memory"] < WANTED_MEMORY,
        ),
        Row(
            f"    of it by posting {large['count']:,}",
            large["growth"],
            "MB",
            few["growth"],
            f"by posting {few['count']:,}",
        ),
    ]


def _compare_processes(context: Context, database: str, many: int) -> Row:
    alone, shared = _run(context, database, PREPARE, many)
    one = _share(context, database, [alone])
    middle = len(shared) // 2
    two = _share(context, database, [shared[:middle], shared[middle:]])
    return Row(
        "invoices/s, two processes",
        len(shared) / two,
        "invoices/s",
        len(alone) / one,
        "one process",
        f">= {WANTED_TWO:g} x",
        ok=one / two >= WANTED_TWO,
    )


def run(context: Context) -> list[Row]:
    """Measure posting beside OCA contract, at two sizes and with two processes.

    :param context: databases and shells
    :return: rows with the budgets of billing
    """
    many = int(os.environ.get("BENCH_INVOICES", MANY))
    with context.database(["saas_subscription_ops"], extra=["contract"]) as name:
        rows = _compare(context, name, many)
        rows.append(_compare_processes(context, name, many))
        seconds, count, lines = _run(context, name, NOTHING_DUE, many)
    rows.append(
        Row(
            f"run over {count:,} subscriptions, {lines} due",
            seconds,
            "s",
            budget=f"< {WANTED_IDLE:g} s",
            ok=seconds < WANTED_IDLE and not lines,
        )
    )
    return rows
