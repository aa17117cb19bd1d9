# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The one statement that stores the events of a request."""

from collections.abc import Mapping
from datetime import date, datetime

from .usage_schema import ensure_partitions
from .usage_screen import SEPARATOR
from .usage_store_api import Intake

# One statement per request: the columns come as separated text, since PostgreSQL
# splits that faster than a driver quotes thousands of values. Events of the same
# subject and type share a line of "names", so that each is resolved once. External ids
# are read in one scan and joins are by one column each: what the planner guesses of
# tables it has no statistics of must not end in nested loops. A key is inserted before
# its event; whoever inserts it first stores the event, everybody else has a duplicate.
# Keys are inserted in order so that two requests with the same ids cannot lock each
# other out.
_STORE_SQL = """
WITH external AS MATERIALIZED (
    SELECT e.id, e.source || %(separator)s || e.value AS key, e.partner_id,
           e.subscription_id
      FROM saas_external_id e
     WHERE e.company_id = %(company)s AND e.kind = 'subject'
       AND e.source = ANY(%(codes)s)
       AND e.value = ANY(string_to_array(%(subjects)s, %(separator)s))
), matched AS MATERIALIZED (
    SELECT n.ord::integer AS name, n.event_type, n.subject, src.id AS source_id,
           x.id AS external_id,
           CASE WHEN x.subscription_id IS NOT NULL THEN x.subscription_id
                WHEN x.partner_id IS NOT NULL
                THEN saas_usage_match(x.partner_id, %(company)s, n.event_type)
           END AS match,
           n.batch_id::bigint AS batch_id
      FROM ROWS FROM (
               unnest(string_to_array(%(sources)s, %(separator)s)),
               unnest(string_to_array(%(batches)s, %(separator)s)),
               unnest(string_to_array(%(types)s, %(separator)s)),
               unnest(string_to_array(%(subjects)s, %(separator)s))
           ) WITH ORDINALITY AS n(source_id, batch_id, event_type, subject, ord)
      JOIN saas_usage_source src ON src.id = n.source_id::integer
      LEFT JOIN external x ON x.key = src.code || %(separator)s || n.subject
), names AS MATERIALIZED (
    SELECT m.name, m.event_type, m.subject, m.source_id, m.batch_id,
           s.id AS subscription_id,
           s.company_id, s.commercial_partner_id AS account_id,
           CASE WHEN m.external_id IS NULL THEN 'unknown_subject'
                WHEN m.match = 0 THEN 'ambiguous_subject'
                ELSE 'no_subscription'
           END AS reason
      FROM matched m
      LEFT JOIN saas_subscription s
             ON s.id = m.match AND s.company_id = %(company)s
), resolved AS MATERIALIZED (
    SELECT i.ord, i.event_id, i.event_time::timestamp, i.data, n.*,
           nextval('saas_usage_event_id_seq') AS row_id
      FROM ROWS FROM (
               unnest(string_to_array(%(ids)s, %(separator)s)),
               unnest(string_to_array(%(names)s, %(separator)s)),
               unnest(string_to_array(%(times)s, %(separator)s)),
               jsonb_array_elements(%(data)s::jsonb)
           ) WITH ORDINALITY AS i(event_id, name, event_time, data, ord)
      JOIN names n ON n.name = i.name::integer
), keyed AS (
    INSERT INTO saas_usage_event_key (source_id, event_id, event_time, row_id)
    SELECT source_id, event_id, event_time, row_id
      FROM resolved
     WHERE subscription_id IS NOT NULL
     ORDER BY source_id, event_id COLLATE "C"
    ON CONFLICT (source_id, event_id) DO NOTHING
    RETURNING row_id
), stored AS (
    INSERT INTO saas_usage_event_store (
        id, event_time, stored_at, company_id, source_id, subscription_id, account_id,
        batch_id, event_type, event_id, subject, data
    )
    SELECT r.row_id, r.event_time, %(now)s, r.company_id, r.source_id,
           r.subscription_id, r.account_id, r.batch_id, r.event_type, r.event_id,
           r.subject, NULLIF(r.data, 'null'::jsonb)
      FROM resolved r
      JOIN keyed k ON k.row_id = r.row_id
)
SELECT r.ord - 1, CASE WHEN r.subscription_id IS NULL THEN r.reason END
  FROM resolved r
  LEFT JOIN keyed k ON k.row_id = r.row_id
 WHERE k.row_id IS NULL
"""


def store_events(
    cr, intake: Intake, batch_ids: Mapping[int, int], now: datetime
) -> list[tuple[int, str | None]]:
    """Store the events of a request; see ``usage_store_api.UsageStore.store``.

    :param cr: database cursor
    """
    _indexes, ids, sources, types, subjects, times, _data = zip(
        *intake.rows, strict=True
    )
    months = {time[:7] for time in times}
    ensure_partitions(cr, [date(int(m[:4]), int(m[5:]), 1) for m in months])
    numbers = {}
    names = [
        str(numbers.setdefault(name, len(numbers) + 1))
        for name in zip(sources, types, subjects, strict=True)
    ]
    sources, types, subjects = zip(*numbers, strict=True)
    join = SEPARATOR.join
    cr.execute(
        _STORE_SQL,
        {
            "separator": SEPARATOR,
            "company": intake.company_id,
            "codes": intake.source_codes,
            "ids": join(ids),
            "names": join(names),
            "sources": join(map(str, sources)),
            "batches": join(str(batch_ids[source]) for source in sources),
            "types": join(types),
            "subjects": join(subjects),
            "times": join(times),
            "data": intake.data,
            "now": now,
        },
    )
    return cr.fetchall()
