# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is kept of the store, month by month, and what goes on without it.

``saas_usage_partition`` has a row for each month that ever had a partition, see the
model ``saas.usage.partition``. ``saas_usage_kept_from()`` is the first moment that may
still come in: no key or void before it is added any more, and only those may be
deleted. ``saas_usage_opening`` has what levels go on from, see ``usage_openings``.
"""

from odoo.tools import SQL

_CREATE = """
CREATE TABLE IF NOT EXISTS saas_usage_partition (
    id serial PRIMARY KEY,
    month date NOT NULL,
    name varchar NOT NULL,
    state varchar NOT NULL
);
INSERT INTO saas_usage_partition (month, name, state)
SELECT to_date(right(child.relname, 7), 'YYYY_MM'), child.relname, 'attached'
  FROM pg_inherits i
  JOIN pg_class child ON child.oid = i.inhrelid
 WHERE i.inhparent = 'saas_usage_event_store'::regclass
   AND NOT EXISTS (SELECT 1 FROM saas_usage_partition p
                    WHERE p.name = child.relname);
-- A row for each key's user, rewritten by every request.
ALTER TABLE saas_usage_call SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 500
);
CREATE TABLE IF NOT EXISTS saas_usage_opening (
    definition varchar NOT NULL,
    at timestamp NOT NULL,
    subscription_id integer NOT NULL,
    row_id bigint NOT NULL,
    event_time timestamp NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (definition, at, subscription_id, row_id)
);
CREATE OR REPLACE FUNCTION saas_usage_kept_from() RETURNS timestamp AS $$
    SELECT COALESCE(max(month) + interval '1 month', '-infinity'::timestamp)
      FROM saas_usage_partition
     WHERE state != 'attached'
$$ LANGUAGE sql STABLE;
CREATE OR REPLACE FUNCTION saas_usage_kept_guard() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.event_time < saas_usage_kept_from() THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The usage store is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER saas_usage_event_guard_row
    BEFORE UPDATE OR DELETE ON saas_usage_event_key
    FOR EACH ROW EXECUTE FUNCTION saas_usage_kept_guard();
CREATE OR REPLACE TRIGGER saas_usage_event_guard_row
    BEFORE UPDATE OR DELETE ON saas_usage_event_void
    FOR EACH ROW EXECUTE FUNCTION saas_usage_kept_guard();
-- The tables as they are now, whatever the transaction has seen before.
CREATE OR REPLACE FUNCTION saas_usage_check_attached(names text[]) RETURNS void AS $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(known, ', ' ORDER BY known) INTO missing FROM unnest(names) known
     WHERE known NOT IN (SELECT relid::text
                           FROM pg_partition_tree('saas_usage_event_store')
                          WHERE level = 1);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'A month of usage was detached meanwhile: %', missing
            USING ERRCODE = 'serialization_failure',
                  HINT = 'Where this does not pass, it was detached or dropped by hand:'
                         ' attach it again, see docs/SCALING.md, Retention.';
    END IF;
END
$$ LANGUAGE plpgsql;
-- Who still knows the rules of before is told to begin anew, with those of now.
CREATE OR REPLACE FUNCTION saas_usage_check_open(moment timestamp) RETURNS void AS $$
BEGIN
    IF moment < saas_usage_kept_from() THEN
        RAISE EXCEPTION 'Usage before % is closed', saas_usage_kept_from()
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$ LANGUAGE plpgsql STABLE;
CREATE OR REPLACE FUNCTION saas_usage_frozen_guard() RETURNS trigger AS $$
BEGIN
    PERFORM saas_usage_check_open(NEW.event_time);
    RETURN NEW;
END
$$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER saas_usage_event_guard_frozen
    BEFORE INSERT ON saas_usage_event_void
    FOR EACH ROW EXECUTE FUNCTION saas_usage_frozen_guard();
"""

# Itself, or its parts where it was cut by hash.
_FIND_KEYS = """
SELECT c.relname FROM pg_class c
 WHERE c.oid = 'saas_usage_event_key'::regclass AND c.relkind = 'r'
 UNION ALL
SELECT c.relname FROM pg_class c
  JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE i.inhparent = 'saas_usage_event_key'::regclass
"""


def create_partitions(cr):
    """Create the tables and guards, with the months there are; the store exists.

    :param cr: database cursor
    """
    cr.execute(_CREATE)
    cr.execute(_FIND_KEYS)
    for (name,) in cr.fetchall():
        # Only inserted into: vacuum has to mark what all see, not years at once.
        _set_inserted(cr, name, "0.02")


def drop_partitions(cr):
    """Drop all of it with the detached months, for the removal of the module.

    :param cr: database cursor
    """
    cr.execute("SELECT name FROM saas_usage_partition WHERE state = 'detached'")
    for (name,) in cr.fetchall():
        cr.execute(SQL("DROP TABLE IF EXISTS %s", SQL.identifier(name)))
    cr.execute(
        """
        DROP TABLE IF EXISTS saas_usage_partition CASCADE;
        DROP TABLE IF EXISTS saas_usage_opening;
        DROP FUNCTION IF EXISTS saas_usage_kept_guard() CASCADE;
        DROP FUNCTION IF EXISTS saas_usage_frozen_guard() CASCADE;
        DROP FUNCTION IF EXISTS saas_usage_check_open(timestamp);
        DROP FUNCTION IF EXISTS saas_usage_check_attached(text[]);
        DROP FUNCTION IF EXISTS saas_usage_kept_from();
        """
    )


def note_partition(cr, month, name):
    """Remember a partition that was just attached, under the lock of its making.

    :param cr: database cursor
    :param date month: its first day
    :param str name: of the table
    """
    cr.execute(
        "INSERT INTO saas_usage_partition (month, name, state)"
        " VALUES (%s, %s, 'attached')",
        [month, name],
    )


def set_storage(cr, name):
    """Say how a partition is cleaned up: it is inserted into, and then never again.

    :param cr: database cursor
    :param str name: of the partition
    """
    _set_inserted(cr, name, "0.05")
    cr.execute(
        SQL("ALTER TABLE %s SET (autovacuum_freeze_min_age = 0)", SQL.identifier(name))
    )


def _set_inserted(cr, name, share):
    """Clean up a table when this share of it was inserted."""
    cr.execute(
        SQL(
            "ALTER TABLE %s SET (autovacuum_vacuum_insert_scale_factor = %s,"
            " autovacuum_analyze_scale_factor = 0.02)",
            SQL.identifier(name),
            SQL(share),
        )
    )


def close_month(cr, name):
    """Let nothing come into a month any more, once all that is on its way is there.

    :param cr: database cursor, its lock timeout is set
    :param str name: of the partition
    """
    table = SQL.identifier(name)
    # What is taken back waits here, events for the trigger.
    cr.execute(
        "LOCK TABLE saas_usage_event_void IN SHARE ROW EXCLUSIVE MODE",
        log_exceptions=False,
    )
    cr.execute(
        SQL(
            "CREATE OR REPLACE TRIGGER saas_usage_event_guard_frozen"
            " BEFORE INSERT ON %s"
            " FOR EACH ROW EXECUTE FUNCTION saas_usage_frozen_guard()",
            table,
        ),
        log_exceptions=False,
    )
