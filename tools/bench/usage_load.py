# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Fill the usage store of a bench database, as if the events had come over HTTP."""

from __future__ import annotations

from datetime import date

from tools.bench import Context

#: Events a statement, and a request.
CHUNK = 1_000_000
REQUEST = 1_000

# Ids of every other request in the order of arrival, as ULID and UUIDv7 have them, of
# the others in none, as UUIDv4 have them; times all over the span of the chunk. A
# request knows the span of its events and of their numbers, and is counted by nobody
# yet: what ingest leaves behind.
_LOAD = """
from datetime import date, datetime, timezone
from odoo.addons.saas_usage_billing.models.usage_schema import ensure_partitions
cr = env.cr
now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
spans = [
    (datetime.fromisoformat(begin), min(datetime.fromisoformat(end), now))
    for begin, end in %(spans)r]
ensure_partitions(cr, [begin.date().replace(day=1) for begin, _end in spans])
cr.commit()
source = env["saas.usage.source"].search([("code", "=", "bench")]).id
for first in range(%(first)d, %(last)d, %(chunk)d):
    begin, end = spans[first // %(chunk)d %% len(spans)]
    cr.execute('''
        WITH asked AS (
            SELECT nextval('saas_usage_batch_id_seq') AS id, r AS number
              FROM generate_series(0, (%%(number)s - 1) / %(request)d) r
        ), tenants AS (
            SELECT id, company_id, commercial_partner_id,
                   row_number() OVER (ORDER BY id) - 1 AS number
              FROM saas_subscription
             WHERE id IN (SELECT subscription_id FROM saas_external_id
                           WHERE source = 'bench')
        ), events AS (
            SELECT nextval('saas_usage_event_id_seq') AS id, n,
                   CASE WHEN n / %(request)d %%%% 2 = 0
                        THEN 'load-' || lpad((%%(first)s + n)::text, 12, '0')
                        ELSE md5((%%(first)s + n)::text) END AS event_id,
                   %%(begin)s::timestamp
                     + %%(span)s::interval * ((n * 7919) %%%% 100000) / 100000 AS at,
                   CASE WHEN n %%%% 100 < %(busiest)d THEN 0
                        ELSE n * 104729 %%%% %(subscriptions)d END AS tenant
              FROM generate_series(0, %%(number)s::bigint - 1) n
        ), keyed AS (
            INSERT INTO saas_usage_event_key (source_id, event_id, event_time, row_id)
            SELECT %%(source)s, event_id, at, id FROM events
        ), stored AS (
            INSERT INTO saas_usage_event_store (
                id, event_time, stored_at, company_id, source_id, subscription_id,
                account_id, batch_id, event_type, event_id, subject, data)
            SELECT e.id, e.at, %%(now)s, t.company_id, %%(source)s, t.id,
                   t.commercial_partner_id, a.id, 'bench.request', e.event_id,
                   'tenant-' || t.number,
                   jsonb_build_object('bytes', e.n %%%% 5000, 'method', 'GET',
                                      'user', 'u' || e.n %%%% 97, 'status', 200)
              FROM events e
              JOIN asked a ON a.number = e.n / %(request)d
              JOIN tenants t ON t.number = e.tenant
            RETURNING batch_id, id, event_time
        )
        INSERT INTO saas_usage_batch (
            id, received_at, company_id, user_id, source_id, correlation_id, kind,
            received, stored, duplicate, quarantined, rejected, time_min, time_max,
            row_min, row_max)
        SELECT batch_id, %%(now)s, %%(company)s, %%(user)s, %%(source)s, 'load', 'api',
               count(*), count(*), 0, 0, 0, min(event_time), max(event_time),
               min(id), max(id)
          FROM stored GROUP BY batch_id
    ''', {"number": min(%(chunk)d, %(last)d - first), "begin": begin, "first": first,
          "now": now, "span": "%%d seconds" %% max((end - begin).total_seconds(), 1),
          "source": source, "company": env.company.id, "user": env.uid})
    cr.commit()
cr.execute("ANALYZE saas_usage_event_store; ANALYZE saas_usage_event_key")
cr.commit()
print("LOADED", %(last)d - %(first)d)
"""


def load(
    context: Context,
    database: str,
    first: int,
    last: int,
    subscriptions: int,
    spans: list[tuple[date, date]],
    busiest: int = 0,
) -> None:
    """Load events of the bench's source for all subscriptions in turn.

    :param first: number of the first event, a multiple of ``CHUNK``
    :param last: number after the last one
    :param subscriptions: how many the seed of the bench made
    :param spans: half-open days, UTC, not after now; a chunk goes to each in turn
    :param busiest: percent of all events that the first subscription gets
    """
    values = {
        "first": first,
        "last": last,
        "chunk": CHUNK,
        "request": REQUEST,
        "subscriptions": subscriptions,
        "spans": [(begin.isoformat(), end.isoformat()) for begin, end in spans],
        "busiest": busiest,
    }
    if "LOADED" not in context.shell(database, _LOAD % values):
        raise RuntimeError("the events were not loaded")
