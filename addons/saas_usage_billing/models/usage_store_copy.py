# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Store events that take nothing back: few statements, whatever their number.

A key is inserted before its event; whoever inserts it first stores the event, everybody
else has a duplicate. Keys are inserted in order so that two requests with the same ids
cannot lock each other out. Columns come as separated text, which PostgreSQL splits
faster than a driver quotes thousands of values, and the events by COPY, which writes
pages where INSERT writes rows.
"""

from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from operator import itemgetter

from psycopg2.errors import UniqueViolation

from .usage_screen import SEPARATOR
from .usage_store_api import Intake

# External ids are read in one scan: each subject is resolved once. OFFSET has each
# subscription looked up by its id, also while nobody has told the planner how many a
# company has.
_RESOLVE = """
SELECT e.source, e.value, e.partner_id, e.subscription_id, s.id,
       s.commercial_partner_id
  FROM saas_external_id e
  LEFT JOIN LATERAL (
        SELECT o.id, o.company_id, o.commercial_partner_id
          FROM saas_subscription o
         WHERE o.id = e.subscription_id
        OFFSET 0
       ) s ON s.company_id = e.company_id
 WHERE e.company_id = %(company)s AND e.kind = 'subject'
   AND e.source = ANY(%(keys)s)
   AND e.value = ANY(string_to_array(%(subjects)s, %(separator)s))
"""
_MATCH = """
SELECT n.partner_id, n.event_type, n.match, s.id, s.commercial_partner_id
  FROM (
        SELECT partner_id, event_type,
               saas_usage_match(partner_id, %(company)s, event_type) AS match
          FROM unnest(%(partners)s, %(types)s::text[]) AS u(partner_id, event_type)
       ) n
  LEFT JOIN saas_subscription s ON s.id = n.match AND s.company_id = %(company)s
"""
_NUMBER = """
SELECT array_agg(nextval('saas_usage_event_id_seq')) FROM generate_series(1, %s)
"""
_KEYS = """
ROWS FROM (
    unnest(string_to_array(%(sources)s, %(separator)s)::integer[]),
    unnest(string_to_array(%(ids)s, %(separator)s)),
    unnest(string_to_array(%(times)s, %(separator)s)::timestamp[]),
    unnest(string_to_array(%(numbers)s, %(separator)s)::bigint[])
) AS k(source_id, event_id, event_time, row_id)
"""
_INSERT = f"""
INSERT INTO saas_usage_event_key (source_id, event_id, event_time, row_id)
SELECT k.source_id, k.event_id, k.event_time, k.row_id FROM {_KEYS}
"""
# What is known is left out first: ON CONFLICT alone writes twice as much per row. It is
# for those that somebody else stores at the same time. OFFSET keeps the planner from
# reading all keys to leave out the few of a request.
_KEY = f"""
{_INSERT} LEFT JOIN LATERAL (
    SELECT true AS is_known
      FROM saas_usage_event_key o
     WHERE o.source_id = k.source_id AND o.event_id = k.event_id
    OFFSET 0
) o ON true WHERE o.is_known IS NULL
"""
_KEY_AT_ONCE = f"{_INSERT} ON CONFLICT (source_id, event_id) DO NOTHING"
_FRESH = f"""
SELECT k.row_id
  FROM {_KEYS}
  JOIN saas_usage_event_key o
    ON o.source_id = k.source_id AND o.event_id = k.event_id AND o.row_id = k.row_id
"""
# No text of an event has a separator: it is no printable character.
_COPY = f"""
COPY saas_usage_event_store (
    id, event_time, stored_at, company_id, source_id, subscription_id, account_id,
    batch_id, event_type, event_id, subject, data
) FROM STDIN (NULL '{SEPARATOR}')
"""
_NULL = "null"


def store_plain(
    cr, intake: Intake, batch_ids: Mapping[int, int], now: datetime
) -> list[tuple[int, str | None]]:
    """Store the events of a request without corrections.

    :param cr: database cursor
    :param batch_ids: number of the request, per source id
    :param now: naive UTC, when they arrived
    :return: as ``usage_store_api.UsageStore.store``
    """
    targets = resolve(cr, intake)
    left, found = [], []
    for position, row in enumerate(intake.rows):
        target = targets[row[2:5]]
        if type(target) is str:
            left.append((position, target))
        else:
            found.append((row[2], row[1], position))
    if not found:
        return left
    found.sort()
    cr.execute(_NUMBER, [len(found)])
    numbers = cr.fetchone()[0]
    fresh = _insert_keys(cr, intake.rows, found, numbers)
    if len(fresh) < len(found):
        known = [n for n, number in enumerate(numbers) if number not in fresh]
        left += [(found[n][2], None) for n in known]
        gone = set(known)
        numbers = [number for number in numbers if number in fresh]
        found = [one for n, one in enumerate(found) if n not in gone]
    numbered = zip(numbers, found, strict=True)
    _copy(cr, intake, batch_ids, now, targets, numbered)
    return left


def resolve(cr, intake: Intake) -> dict:
    """Return where the events of each source, type and subject go to.

    :param cr: database cursor
    :return: dict of (source id, type, subject) to (subscription id, account id), or to
        why there is none
    """
    names = set(map(itemgetter(2, 3, 4), intake.rows))
    if not names:
        return {}
    values = {
        "company": intake.company_id,
        "keys": list(intake.source_keys.values()),
        "subjects": SEPARATOR.join({subject for _source, _type, subject in names}),
        "separator": SEPARATOR,
    }
    cr.execute(_RESOLVE, values)
    known = {row[:2]: row for row in cr.fetchall()}
    result, accounts = {}, {}
    for name in names:
        row = known.get((intake.source_keys[name[0]], name[2]))
        if row is None:
            result[name] = "unknown_subject"
        elif row[4]:
            result[name] = row[4:]
        elif row[2] and not row[3]:
            accounts[name] = row[2], name[1]
        else:
            result[name] = "no_subscription"
    if accounts:
        matched = _match(cr, intake.company_id, set(accounts.values()))
        result |= {name: matched[one] for name, one in accounts.items()}
    return result


def _match(cr, company_id, wanted):
    """Return the only subscription of accounts that has a meter for a type.

    :param set wanted: (partner id, event type)
    :return: dict of these, as :func:`resolve`
    """
    partners, types = zip(*wanted, strict=True)
    values = {"company": company_id, "partners": list(partners), "types": list(types)}
    cr.execute(_MATCH, values)
    result = {}
    for partner, event_type, match, *target in cr.fetchall():
        reason = "ambiguous_subject" if match == 0 else "no_subscription"
        result[partner, event_type] = tuple(target) if target[0] else reason
    return result


def _insert_keys(cr, rows, found, numbers):
    """Return the numbers of the events nobody has stored yet."""
    join = SEPARATOR.join
    values = {
        "sources": join([str(one[0]) for one in found]),
        "ids": join([one[1] for one in found]),
        "times": join([rows[one[2]][5] for one in found]),
        "numbers": join(map(str, numbers)),
        "separator": SEPARATOR,
    }
    try:
        with cr.savepoint(flush=False):
            cr.execute(_KEY, values, log_exceptions=False)
            stored = cr.rowcount
    except UniqueViolation:
        cr.execute(_KEY_AT_ONCE, values)
        stored = cr.rowcount
    if stored in (0, len(found)):
        return set(numbers[:stored])
    cr.execute(_FRESH, values)
    return set(map(itemgetter(0), cr.fetchall()))


def _copy(cr, intake, batch_ids, now, targets, numbered):
    """Write the events."""
    rows, data = intake.rows, intake.data
    # What events of the same source, type and subject share is written once.
    same = f"\t{now}\t{intake.company_id}\t"
    shared = {
        name: (
            f"{same}{name[0]}\t{target[0]}\t{target[1]}\t{batch_ids[name[0]]}\t"
            f"{name[1]}\t"
        )
        for name, target in targets.items()
        if type(target) is tuple
    }
    lines = []
    for number, (_source, event_id, position) in numbered:
        row, value = rows[position], data[position]
        if value == _NULL:
            value = SEPARATOR
        lines.append(
            f"{number}\t{row[5]}{shared[row[2:5]]}{event_id}\t{row[4]}\t{value}\n"
        )
    # JSON has no tabs and ends of lines, other texts are printable.
    text = "".join(lines).replace("\\", "\\\\")
    cr.copy_expert(_COPY, BytesIO(text.encode()))
