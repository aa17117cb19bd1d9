# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Fill the usage store of a bench database with events that came long ago."""

from __future__ import annotations

from tools.bench import Context

#: Events a statement, and a request.
CHUNK = 1_000_000
REQUEST = 10_000

# Times spread evenly over the months before this one, ids in the order of arrival as
# ULID and UUIDv7 have them.
_LOAD = """
from datetime import date
from odoo.addons.saas_usage_billing.models.usage_schema import ensure_partitions
cr = env.cr
today = date.today()
months = [
    date(today.year - (today.month <= n), (today.month - n - 1) %% 12 + 1, 1)
    for n in range(1, %(months)d + 1)]
ensure_partitions(cr, months)
cr.commit()
for first in range(%(first)d, %(last)d, %(chunk)d):
    cr.execute('''
        WITH asked AS (
            INSERT INTO saas_usage_batch (
                id, received_at, company_id, user_id, source_id, correlation_id, kind,
                received, stored, duplicate, quarantined, rejected)
            SELECT nextval('saas_usage_batch_id_seq'), now() AT TIME ZONE 'UTC',
                   %%(company)s, %%(user)s, %%(source)s, 'load', 'api',
                   %(request)d, %(request)d, 0, 0, 0
              FROM generate_series(1, %(chunk)d / %(request)d)
            RETURNING id
        ), numbered AS (
            SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM asked
        ), tenants AS (
            SELECT id, commercial_partner_id,
                   row_number() OVER (ORDER BY id) - 1 AS number
              FROM saas_subscription
        ), events AS (
            SELECT nextval('saas_usage_event_id_seq') AS id, n,
                   %%(start)s::timestamp + (n - %%(first)s) * %%(step)s::interval AS at,
                   'load-' || lpad(n::text, 12, '0') AS event_id
              FROM generate_series(%%(first)s, %%(first)s + %(chunk)d - 1) n
        ), keyed AS (
            INSERT INTO saas_usage_event_key (source_id, event_id, event_time, row_id)
            SELECT %%(source)s, event_id, at, id FROM events
        )
        INSERT INTO saas_usage_event_store (
            id, event_time, stored_at, company_id, source_id, subscription_id,
            account_id, batch_id, event_type, event_id, subject, data)
        SELECT e.id, e.at, now() AT TIME ZONE 'UTC', %%(company)s, %%(source)s, t.id,
               t.commercial_partner_id, b.id, 'bench.request', e.event_id,
               'tenant-' || t.number,
               jsonb_build_object('bytes', e.n %%%% 5000, 'method', 'GET',
                                  'path', '/v1/items/' || e.n %%%% 50, 'status', 200)
          FROM events e
          JOIN numbered b ON b.number = (e.n - %%(first)s) / %(request)d
          JOIN tenants t ON t.number = e.n * 7919 %%%% %(subscriptions)d
    ''', {
        "company": env.company.id, "user": env.uid, "first": first,
        "source": env["saas.usage.source"].search([("code", "=", "bench")]).id,
        "start": months[first // %(chunk)d %% len(months)],
        "step": "%%.6f seconds" %% (28 * 86400 / %(chunk)d)})
    cr.commit()
cr.execute("ANALYZE saas_usage_event_store")
cr.execute("ANALYZE saas_usage_event_key")
cr.commit()
print("LOADED", env.cr.rowcount)
"""


def load(
    context: Context,
    database: str,
    first: int,
    last: int,
    subscriptions: int,
    months: int = 12,
) -> None:
    """Load events of the bench's source for all subscriptions in turn.

    :param first: number of the first event, a multiple of ``CHUNK``
    :param last: number after the last one, a multiple of ``CHUNK``
    :param subscriptions: how many the seed of the bench made
    :param months: how many before the present one they are spread over
    """
    values = {
        "first": first,
        "last": last,
        "chunk": CHUNK,
        "request": REQUEST,
        "subscriptions": subscriptions,
        "months": months,
    }
    if "LOADED" not in context.shell(database, _LOAD % values):
        raise RuntimeError("the events were not loaded")
