# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The statement that stores events of a request and what they take back.

Every request that stores holds a lock of its company in shared mode until it ends, so
that a correction whose target is not there can wait for all that might be storing it:
it takes the lock alone, if it can, and looks again. Whoever stores the target after
that finds the correction in quarantine. Corrections of the same company are stored one
request after the other; requests without any wait for them only while a missing target
is looked for with the lock.
"""

import time
from collections.abc import Mapping
from datetime import date, datetime

from .usage_schema import ensure_partitions
from .usage_screen import SEPARATOR
from .usage_store_api import Intake
from .usage_store_copy import resolve, store_plain
from .usage_store_parts import split

#: First keys of the advisory locks; the second one is the company.
_STORING = 0x5AA50001
_CORRECTING = 0x5AA50002
#: Seconds a correction waits for requests that may be storing its target, and between
#: two looks.
_PATIENCE = 2
_PAUSE = 0.02
UNKNOWN = "unknown_event"

# The columns come as separated text, since PostgreSQL splits that faster than a driver
# quotes thousands of values. Events of the same subject and type share a line of
# "names". Joins are by one column each: what the planner guesses of lists it has no
# statistics of must not end in nested loops. Keys come before events, and in order, as
# in ``usage_store_copy``.
_RESOLVED = """
names AS MATERIALIZED (
    SELECT n.ord::integer AS name, n.event_type, n.subject,
           n.source_id::integer AS source_id, n.batch_id::bigint AS batch_id,
           NULLIF(n.subscription_id, '')::integer AS subscription_id,
           %(company)s AS company_id,
           NULLIF(n.account_id, '')::integer AS account_id, n.reason
      FROM ROWS FROM (
               unnest(string_to_array(%(sources)s, %(separator)s)),
               unnest(string_to_array(%(batches)s, %(separator)s)),
               unnest(string_to_array(%(types)s, %(separator)s)),
               unnest(string_to_array(%(subjects)s, %(separator)s)),
               unnest(string_to_array(%(subscriptions)s, %(separator)s)),
               unnest(string_to_array(%(accounts)s, %(separator)s)),
               unnest(string_to_array(%(reasons)s, %(separator)s))
           ) WITH ORDINALITY AS n(
               source_id, batch_id, event_type, subject, subscription_id, account_id,
               reason, ord
           )
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
)"""
_STORED = """
stored AS (
    INSERT INTO saas_usage_event_store (
        id, event_time, stored_at, company_id, source_id, subscription_id, account_id,
        batch_id, event_type, event_id, subject, data
    )
    SELECT r.row_id, r.event_time, %(now)s, r.company_id, r.source_id,
           r.subscription_id, r.account_id, r.batch_id, r.event_type, r.event_id,
           r.subject, NULLIF(r.data, 'null'::jsonb)
      FROM resolved r
      JOIN keyed k ON k.row_id = r.row_id
)"""
# "asked": the corrections; "aimed": those that are not stored yet, with their targets,
# which are older events or others of the same request; "sound": those that hold, which
# takes a recursion since the target may be a replacement of the same request. A void
# has a key but no event. Of several corrections of an event the first one holds. A
# correction that holds, but whose target of the same request was stored by somebody
# else meanwhile, is unknown: the caller starts anew.
_CORRECT_SQL = f"""
WITH RECURSIVE {_RESOLVED}, asked AS MATERIALIZED (
    SELECT c.ord, c.event_id, c.source_id::integer AS source_id, c.target,
           c.batch_id::bigint AS batch_id, c.oldest::timestamp AS oldest,
           c.position::bigint AS position, r.ord IS NULL AS is_void,
           r.ord IS NULL OR r.subscription_id IS NOT NULL AS is_resolved,
           COALESCE(r.row_id, nextval('saas_usage_event_id_seq')) AS row_id,
           k.row_id IS NOT NULL AS is_known
      FROM ROWS FROM (
               unnest(string_to_array(%(c_positions)s, %(separator)s)),
               unnest(string_to_array(%(c_ids)s, %(separator)s)),
               unnest(string_to_array(%(c_sources)s, %(separator)s)),
               unnest(string_to_array(%(c_targets)s, %(separator)s)),
               unnest(string_to_array(%(c_oldest)s, %(separator)s)),
               unnest(string_to_array(%(c_batches)s, %(separator)s))
           ) WITH ORDINALITY
             AS c(position, event_id, source_id, target, oldest, batch_id, ord)
      LEFT JOIN resolved r ON r.ord = c.position::bigint + 1
      LEFT JOIN saas_usage_event_key k
             ON k.source_id = c.source_id::integer AND k.event_id = c.event_id
), aimed AS MATERIALIZED (
    SELECT q.*, k.row_id IS NOT NULL AS is_old, p.row_id AS leads_to,
           row_number() OVER (
               PARTITION BY q.source_id, q.target ORDER BY q.ord
           ) AS turn,
           COALESCE(k.row_id, n.row_id) AS target_id,
           COALESCE(k.event_time, n.event_time) AS target_time,
           COALESCE(e.subscription_id, n.subscription_id) AS target_subscription,
           COALESCE(e.event_type, n.event_type) AS target_type,
           CASE WHEN k.row_id IS NULL AND n.row_id IS NULL THEN %(unknown)s
                WHEN v.row_id IS NOT NULL OR (k.row_id IS NOT NULL AND e.id IS NULL)
                THEN 'already_corrected'
                WHEN COALESCE(k.event_time, n.event_time) < q.oldest THEN 'too_old'
           END AS code
      FROM asked q
      LEFT JOIN saas_usage_event_key k
             ON k.source_id = q.source_id AND k.event_id = q.target
      LEFT JOIN saas_usage_event_store e
             ON e.event_time = k.event_time AND e.id = k.row_id
      LEFT JOIN saas_usage_event_void v
             ON v.source_id = q.source_id AND v.event_id = q.target
      LEFT JOIN resolved n
             ON n.source_id = q.source_id AND n.event_id = q.target
            AND n.subscription_id IS NOT NULL AND k.row_id IS NULL
      LEFT JOIN asked p ON p.row_id = n.row_id
     WHERE q.is_resolved AND NOT q.is_known
), sound AS (
    SELECT a.row_id FROM aimed a
     WHERE a.turn = 1 AND a.code IS NULL AND a.leads_to IS NULL
    UNION ALL
    SELECT a.row_id FROM sound s
      JOIN aimed a ON a.leads_to = s.row_id
     WHERE a.turn = 1 AND a.code IS NULL AND a.leads_to IS NOT NULL
), keyed AS (
    INSERT INTO saas_usage_event_key (source_id, event_id, event_time, row_id)
    SELECT source_id, event_id, event_time, row_id
      FROM (
            SELECT r.source_id, r.event_id, r.event_time, r.row_id
              FROM resolved r
              LEFT JOIN asked q ON q.row_id = r.row_id
             WHERE r.subscription_id IS NOT NULL AND q.row_id IS NULL
             UNION ALL
            SELECT a.source_id, a.event_id, COALESCE(r.event_time, a.target_time),
                   a.row_id
              FROM aimed a
              JOIN sound s ON s.row_id = a.row_id
              LEFT JOIN resolved r ON r.row_id = a.row_id
           ) fresh
     ORDER BY source_id, event_id COLLATE "C"
    ON CONFLICT (source_id, event_id) DO NOTHING
    RETURNING row_id
), {_STORED}, done AS MATERIALIZED (
    SELECT a.*
      FROM aimed a
      JOIN keyed k ON k.row_id = a.row_id
      LEFT JOIN keyed t ON t.row_id = a.target_id
     WHERE a.is_old OR t.row_id IS NOT NULL
), voided AS (
    INSERT INTO saas_usage_event_void (
        source_id, event_id, row_id, event_time, subscription_id, event_type,
        by_event_id, by_row_id, batch_id, stored_at
    )
    SELECT source_id, target, target_id, target_time, target_subscription, target_type,
           event_id, CASE WHEN NOT is_void THEN row_id END, batch_id, %(now)s
      FROM done
    ON CONFLICT (source_id, event_id) DO NOTHING
)
SELECT r.ord - 1, CASE WHEN r.subscription_id IS NULL THEN r.reason END
  FROM resolved r
  LEFT JOIN keyed k ON k.row_id = r.row_id
  LEFT JOIN asked q ON q.row_id = r.row_id
 WHERE k.row_id IS NULL AND (q.row_id IS NULL OR NOT q.is_resolved)
 UNION ALL
SELECT q.position,
       CASE WHEN q.is_known THEN NULL
            WHEN a.code IS NOT NULL THEN a.code
            WHEN a.turn > 1 THEN 'already_corrected'
            WHEN s.row_id IS NULL OR k.row_id IS NOT NULL THEN %(unknown)s
       END
  FROM asked q
  LEFT JOIN aimed a ON a.row_id = q.row_id
  LEFT JOIN sound s ON s.row_id = q.row_id
  LEFT JOIN keyed k ON k.row_id = q.row_id
  LEFT JOIN done d ON d.row_id = q.row_id
 WHERE q.is_resolved AND d.row_id IS NULL
"""


def store_events(
    cr, intake: Intake, batch_ids: Mapping[int, int], now: datetime
) -> list[tuple[int, str | None]]:
    """Store the events of a request; see ``usage_store_api.UsageStore.store``.

    :param cr: database cursor
    """
    company = intake.company_id
    if not intake.corrections:
        _share(cr, company)
        return _run(cr, intake, batch_ids, now)
    if intake.is_follow_up:
        # Nobody else sees their targets yet, and the lock is held.
        return _run(cr, intake, batch_ids, now)
    _take(cr, _CORRECTING, company)
    with cr.savepoint(flush=False) as savepoint:
        _share(cr, company)
        left = _run(cr, intake, batch_ids, now)
        if all(code != UNKNOWN for _position, code in left):
            return left
        # Locks taken behind it go with it: two requests that both share the lock could
        # never get it alone.
        savepoint.rollback()
    _take_alone(cr, company)
    return _run(cr, intake, batch_ids, now)


def _share(cr, company_id):
    cr.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [_STORING, company_id])


def _take(cr, space, company_id):
    cr.execute("SELECT pg_advisory_xact_lock(%s, %s)", [space, company_id])


def _take_alone(cr, company_id):
    """Take the lock of those who store, or give up after a while.

    Who waits for a lock lets nobody pass who comes later, so this only looks whether it
    is free. Without it the target may be stored at the same time: then the scheduled
    job finds the correction.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        query = "SELECT pg_try_advisory_xact_lock(%s, %s)"
        cr.execute(query, [_STORING, company_id])
        if cr.fetchone()[0]:
            return
        time.sleep(_PAUSE)


def _run(cr, intake, batch_ids, now):
    left = []
    for part, positions in split(intake):
        months = {row[5][:7] for row in part.rows}
        ensure_partitions(cr, [date(int(m[:4]), int(m[5:]), 1) for m in months])
        if part.corrections:
            # It looks costly to the planner, but is not worth compiling.
            cr.execute("SET LOCAL jit = off")
            cr.execute(_CORRECT_SQL, _prepare(part, batch_ids, now, resolve(cr, part)))
            found = cr.fetchall()
        else:
            found = store_plain(cr, part, batch_ids, now)
        left += [(positions[number], code) for number, code in found]
    return left


def _prepare(intake, batch_ids, now, targets):
    """Return the parameters of the statement."""
    rows = intake.rows
    numbers = {}
    names = [str(numbers.setdefault(row[2:5], len(numbers) + 1)) for row in rows]
    found = [targets[name] for name in numbers]
    found = [("", "", one) if type(one) is str else (*one, "") for one in found]
    join = SEPARATOR.join
    values = {
        "separator": SEPARATOR,
        "company": intake.company_id,
        "ids": join([row[1] for row in rows]),
        "names": join(names),
        "times": join([row[5] for row in rows]),
        "data": f"[{','.join(intake.data)}]",
        "sources": join([str(name[0]) for name in numbers]),
        "batches": join([str(batch_ids[name[0]]) for name in numbers]),
        "types": join([name[1] for name in numbers]),
        "subjects": join([name[2] for name in numbers]),
        "subscriptions": join([str(one[0]) for one in found]),
        "accounts": join([str(one[1]) for one in found]),
        "reasons": join([one[2] for one in found]),
        "now": now,
        "unknown": UNKNOWN,
    }
    positions, ids, sources, aims, oldest = zip(*intake.corrections, strict=True)
    return values | {
        "c_positions": join(map(str, positions)),
        "c_ids": join(ids),
        "c_sources": join(map(str, sources)),
        "c_targets": join(aims),
        "c_oldest": join(oldest),
        "c_batches": join(str(batch_ids[source]) for source in sources),
    }
