# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Close, detach and clean up after a month, without keeping anybody waiting."""

from contextlib import contextmanager
from datetime import date, timedelta

from psycopg2.errors import LockNotAvailable

from odoo.tools import SQL

from ..exceptions import UsageStoreError
from .usage_partition_schema import close_month
from .usage_schema import STORE, partition_name

#: How long ingest and billing may be kept waiting.
PATIENCE = "2s"
#: Rows deleted in one transaction.
CHUNK = 50_000


def next_month(month: date) -> date:
    """Return the first day of the month after one.

    :param month: first day of a month
    """
    return (month + timedelta(days=32)).replace(day=1)


@contextmanager
def _patiently(env):
    """Give up after some seconds where others hold what is needed.

    :raise UsageStoreError: they do
    """
    cr = env.cr
    try:
        with cr.savepoint(flush=False):
            cr.execute("SET LOCAL lock_timeout = %s", [PATIENCE])
            yield
            cr.execute("SET LOCAL lock_timeout = DEFAULT")
    except LockNotAvailable as error:
        raise UsageStoreError(
            env._(
                "The stored usage of this month is being read or written. Nothing has"
                " changed: try again when less is going on."
            )
        ) from error


def close(env, name: str):
    """Let no event or void of a month come in any more.

    :param env: environment
    :param name: of its partition
    :raise UsageStoreError: the store is busy
    """
    with _patiently(env):
        close_month(env.cr, name)


def hold_ledger(env):
    """Let nobody book a charge until the transaction ends, which is soon.

    :param env: environment
    :raise UsageStoreError: somebody is booking
    """
    with _patiently(env):
        env.cr.execute("LOCK TABLE saas_charge IN SHARE MODE", log_exceptions=False)


def detach_month(env, month: date):
    """Detach the partition of a month; see ``UsageStore.detach``.

    :param env: environment
    """
    name = SQL.identifier(partition_name(month))
    with _patiently(env):
        env.cr.execute(
            SQL("ALTER TABLE %s DETACH PARTITION %s", SQL.identifier(STORE), name),
            # To be kept waiting is no error.
            log_exceptions=False,
        )
    env["saas.usage.partition"].flush_model(["state"])
    env.cr.execute(
        "UPDATE saas_usage_partition SET state = 'detached' WHERE month = %s", [month]
    )
    env["saas.usage.partition"].invalidate_model(["state"])


def drop_month(env, name: str):
    """Drop a detached month.

    :param env: environment
    :param name: of its table
    """
    env.cr.execute(SQL("DROP TABLE IF EXISTS %s", SQL.identifier(name)))


def purge_keys(env, name: str, after: int) -> int | None:
    """Delete the keys of some events of a detached month.

    :param env: environment
    :param name: of its table
    :param after: number of the last event whose key is deleted
    :return: the same for the next call; None: none is left
    """
    [[last]] = env.execute_query(
        SQL(
            """
            WITH gone AS (
                SELECT id, source_id, event_id FROM %s
                 WHERE id > %s ORDER BY id LIMIT %s
            ), deleted AS (
                DELETE FROM saas_usage_event_key k USING gone
                 WHERE k.source_id = gone.source_id AND k.event_id = gone.event_id
                   AND k.row_id = gone.id
            )
            SELECT max(id) FROM gone
            """,
            SQL.identifier(name),
            after,
            CHUNK,
        )
    )
    return last


def purge_rest(env, moment) -> int:
    """Delete some voids and buckets of before a moment, and the keys of the voids.

    :param env: environment
    :param moment: naive UTC datetime
    :return: number of rows; 0: none is left
    """
    cr = env.cr
    cr.execute(
        """
        WITH gone AS (
            DELETE FROM saas_usage_event_void
             WHERE ctid = ANY(ARRAY(SELECT ctid FROM saas_usage_event_void
                                     WHERE event_time < %(moment)s LIMIT %(chunk)s))
            RETURNING source_id, by_event_id, by_row_id
        ), deleted AS (
            DELETE FROM saas_usage_event_key k USING gone
             WHERE gone.by_row_id IS NULL AND k.source_id = gone.source_id
               AND k.event_id = gone.by_event_id AND k.event_time < %(moment)s
        )
        SELECT count(*) FROM gone
        """,
        {"moment": moment, "chunk": CHUNK},
    )
    [count] = cr.fetchone()
    for table in ("saas_usage_bucket", "saas_usage_bucket_key"):
        cr.execute(
            SQL(
                "DELETE FROM %(table)s WHERE ctid = ANY(ARRAY("
                "SELECT ctid FROM %(table)s WHERE day < %(day)s LIMIT %(chunk)s))",
                table=SQL.identifier(table),
                # A local day that is over everywhere.
                day=moment.date() - timedelta(days=1),
                chunk=CHUNK,
            )
        )
        count += cr.rowcount
    return count
