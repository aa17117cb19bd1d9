# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tables of the usage store: made, guarded, partitioned and dropped here.

``saas_usage_event_store`` is partitioned by month of the event time;
``saas_usage_event`` is the view the ORM reads. ``saas_usage_event_key`` holds every
(source, id) ever stored, without the time, so that a repeat is known months later;
``saas_usage_event_void`` has every event that was taken back, by its id. All refuse
UPDATE, DELETE and TRUNCATE for everybody, a detached partition, too; keys and voids of
months that are closed may be deleted, see ``usage_partition_schema``.
``saas_usage_source_type`` has what each source sends, ``saas_usage_call`` the tokens of
the rate limit.
"""

from datetime import date

from odoo.tools import SQL

from .usage_bucket_schema import create_buckets, drop_buckets
from .usage_partition_schema import (
    create_partitions,
    drop_partitions,
    note_partition,
    set_storage,
)

STORE = "saas_usage_event_store"

_CREATE = """
CREATE SEQUENCE IF NOT EXISTS saas_usage_event_id_seq;
CREATE TABLE IF NOT EXISTS saas_usage_event_store (
    id bigint NOT NULL DEFAULT nextval('saas_usage_event_id_seq'),
    event_time timestamp NOT NULL,
    stored_at timestamp NOT NULL,
    company_id integer NOT NULL,
    source_id integer NOT NULL,
    subscription_id integer NOT NULL,
    account_id integer NOT NULL,
    batch_id bigint NOT NULL,
    event_type varchar NOT NULL,
    event_id varchar NOT NULL,
    subject varchar NOT NULL,
    data jsonb
) PARTITION BY RANGE (event_time);
CREATE INDEX IF NOT EXISTS saas_usage_event_store_id_idx
    ON saas_usage_event_store (id);
CREATE INDEX IF NOT EXISTS saas_usage_event_store_subscription_idx
    ON saas_usage_event_store (subscription_id, event_time);
CREATE INDEX IF NOT EXISTS saas_usage_event_store_batch_idx
    ON saas_usage_event_store USING brin (batch_id, stored_at);
CREATE TABLE IF NOT EXISTS saas_usage_event_key (
    source_id integer NOT NULL,
    event_id varchar COLLATE "C" NOT NULL,
    event_time timestamp NOT NULL,
    row_id bigint NOT NULL,
    PRIMARY KEY (source_id, event_id)
);
CREATE TABLE IF NOT EXISTS saas_usage_event_void (
    source_id integer NOT NULL,
    event_id varchar COLLATE "C" NOT NULL,
    row_id bigint NOT NULL,
    event_time timestamp NOT NULL,
    subscription_id integer NOT NULL,
    event_type varchar NOT NULL,
    by_event_id varchar COLLATE "C" NOT NULL,
    by_row_id bigint,
    batch_id bigint NOT NULL,
    stored_at timestamp NOT NULL,
    PRIMARY KEY (source_id, event_id)
);
CREATE INDEX IF NOT EXISTS saas_usage_event_void_subscription_idx
    ON saas_usage_event_void (subscription_id, event_time);
CREATE UNIQUE INDEX IF NOT EXISTS saas_usage_event_void_by_idx
    ON saas_usage_event_void (source_id, by_event_id);
CREATE INDEX IF NOT EXISTS saas_usage_event_void_batch_idx
    ON saas_usage_event_void USING brin (batch_id, stored_at);
CREATE TABLE IF NOT EXISTS saas_usage_source_type (
    source_id integer NOT NULL,
    event_type varchar NOT NULL,
    PRIMARY KEY (source_id, event_type)
);
CREATE OR REPLACE FUNCTION saas_usage_event_guard() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'The usage store is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER saas_usage_event_guard_row
    BEFORE UPDATE OR DELETE ON saas_usage_event_store
    FOR EACH ROW EXECUTE FUNCTION saas_usage_event_guard();
CREATE OR REPLACE TRIGGER saas_usage_event_guard_truncate
    BEFORE TRUNCATE ON saas_usage_event_store
    FOR EACH STATEMENT EXECUTE FUNCTION saas_usage_event_guard();
CREATE OR REPLACE TRIGGER saas_usage_event_guard_truncate
    BEFORE TRUNCATE ON saas_usage_event_key
    FOR EACH STATEMENT EXECUTE FUNCTION saas_usage_event_guard();
CREATE OR REPLACE TRIGGER saas_usage_event_guard_truncate
    BEFORE TRUNCATE ON saas_usage_event_void
    FOR EACH STATEMENT EXECUTE FUNCTION saas_usage_event_guard();
CREATE UNLOGGED TABLE IF NOT EXISTS saas_usage_call (
    user_id integer PRIMARY KEY,
    tokens double precision NOT NULL,
    filled_at timestamp NOT NULL
);
DROP FUNCTION IF EXISTS saas_usage_match(integer, integer, text);
CREATE FUNCTION saas_usage_match(
    of_partner integer, of_company integer, of_type text
) RETURNS integer AS $$
DECLARE
    found integer[];
BEGIN
    SELECT array_agg(s.id) INTO found
      FROM saas_subscription s
     WHERE s.company_id = of_company
       AND s.commercial_partner_id = (
               SELECT p.commercial_partner_id FROM res_partner p WHERE p.id = of_partner
           )
       AND s.state IN ('trial', 'active', 'paused')
       AND EXISTS (
               SELECT 1
                 FROM saas_subscription_line l
                 JOIN product_product v ON v.id = l.product_id
                 JOIN product_template t ON t.id = v.product_tmpl_id
                 JOIN saas_meter m ON m.id = t.saas_meter_id
                WHERE l.subscription_id = s.id AND m.event_type = of_type
           );
    -- None: null. Several: 0, which is no id.
    RETURN CASE WHEN cardinality(found) > 1 THEN 0 ELSE found[1] END;
END
$$ LANGUAGE plpgsql STABLE;
CREATE OR REPLACE VIEW saas_usage_event AS
    SELECT id, event_time, stored_at, company_id, source_id, subscription_id,
           account_id, batch_id, event_type, event_id, subject, data
      FROM saas_usage_event_store;
"""


def create_store(cr):
    """Create whatever of the store is missing; harmless when all is there.

    :param cr: database cursor
    """
    cr.execute("SELECT to_regclass('saas_usage_source_type') IS NULL")
    [is_new] = cr.fetchone()
    cr.execute(_CREATE)
    if is_new:
        # Databases of earlier versions have events already.
        cr.execute(
            "INSERT INTO saas_usage_source_type"
            " SELECT DISTINCT source_id, event_type FROM saas_usage_event_store"
        )
    create_buckets(cr)
    create_partitions(cr)
    cr.execute(
        """
        SELECT child.relname
          FROM pg_inherits i
          JOIN pg_class child ON child.oid = i.inhrelid
         WHERE i.inhparent = %s::regclass
           AND NOT EXISTS (SELECT 1 FROM pg_trigger t
                            WHERE t.tgrelid = child.oid
                              AND t.tgname = 'saas_usage_event_guard_own')
        """,
        [STORE],
    )
    for (name,) in cr.fetchall():
        _guard_rows(cr, SQL.identifier(name))
    _set_storages(cr)


def _set_storages(cr):
    """Set the storage parameters of partitions that have none."""
    cr.execute(
        """
        SELECT child.relname
          FROM pg_inherits i
          JOIN pg_class child ON child.oid = i.inhrelid
         WHERE i.inhparent = %s::regclass AND child.reloptions IS NULL
        """,
        [STORE],
    )
    for (name,) in cr.fetchall():
        set_storage(cr, name)


def widen_batch_id(cr):
    """Let requests be numbered beyond two thousand million.

    :param cr: database cursor, the table of requests exists
    """
    cr.execute(
        "SELECT atttypid = 'int4'::regtype FROM pg_attribute"
        " WHERE attrelid = 'saas_usage_batch'::regclass AND attname = 'id'"
    )
    if cr.fetchone()[0]:
        cr.execute("ALTER TABLE saas_usage_batch ALTER COLUMN id TYPE bigint")
        cr.execute("ALTER SEQUENCE saas_usage_batch_id_seq AS bigint")


def drop_store(cr):
    """Drop the store with all its events, for the removal of the module.

    :param cr: database cursor
    """
    drop_buckets(cr)
    drop_partitions(cr)
    cr.execute(
        """
        DROP VIEW IF EXISTS saas_usage_event CASCADE;
        DROP TABLE IF EXISTS saas_usage_event_store CASCADE;
        DROP TABLE IF EXISTS saas_usage_event_key CASCADE;
        DROP TABLE IF EXISTS saas_usage_event_void CASCADE;
        DROP TABLE IF EXISTS saas_usage_source_type CASCADE;
        DROP TABLE IF EXISTS saas_usage_call CASCADE;
        DROP SEQUENCE IF EXISTS saas_usage_event_id_seq;
        DROP FUNCTION IF EXISTS saas_usage_event_guard() CASCADE;
        DROP FUNCTION IF EXISTS saas_usage_match(integer, integer, text);
        """
    )


def partition_name(month: date) -> str:
    """Return the table name of the partition of a month.

    :param month: any day of it
    """
    return f"{STORE}_p{month.year:04d}_{month.month:02d}"


def ensure_partitions(cr, months):
    """Create the missing partitions of some months.

    Call it before the first use of the store in a transaction. The new table is
    attached, not created in place, so that running inserts are not blocked; an
    advisory lock makes concurrent callers wait and then find it there.

    :param cr: database cursor
    :param months: iterable of the first days of months (UTC)
    :return: names of the partitions made
    """
    months = sorted(set(months))
    if not months:
        return []
    names = [partition_name(month) for month in months]
    missing = _missing(cr, months, names)
    if not missing:
        return []
    cr.execute("SELECT pg_advisory_xact_lock(hashtext('saas_usage_event_store'))")
    # Locking a table makes PostgreSQL notice what others created in the meantime; it
    # remembers from the first look that there was no such table.
    cr.execute("LOCK TABLE saas_usage_event_store IN ACCESS SHARE MODE")
    missing = _missing(cr, months, names)
    _check_open(cr, missing)
    for month in missing:
        _create_partition(cr, month)
    return [partition_name(month) for month in missing]


def _missing(cr, months, names):
    cr.execute("SELECT n FROM unnest(%s) n WHERE to_regclass(n) IS NULL", [names])
    absent = {name for (name,) in cr.fetchall()}
    return [month for month in months if partition_name(month) in absent]


def _check_open(cr, months):
    """Send away who does not know yet that months are closed."""
    if not months:
        return
    cr.execute("SELECT saas_usage_check_open(%s)", [min(months)])


def _create_partition(cr, month):
    table = partition_name(month)
    name = SQL.identifier(table)
    store = SQL.identifier(STORE)
    end = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    cr.execute(
        SQL(
            """
            CREATE TABLE %(name)s (LIKE %(store)s INCLUDING DEFAULTS INCLUDING INDEXES);
            ALTER TABLE %(store)s ATTACH PARTITION %(name)s
                FOR VALUES FROM (%(start)s) TO (%(end)s);
            CREATE TRIGGER saas_usage_event_guard_truncate BEFORE TRUNCATE ON %(name)s
                FOR EACH STATEMENT EXECUTE FUNCTION saas_usage_event_guard()
            """,
            name=name,
            store=store,
            start=month.isoformat(),
            end=end.isoformat(),
        )
    )
    _guard_rows(cr, name)
    set_storage(cr, table)
    note_partition(cr, month, table)


def _guard_rows(cr, name):
    """Guard the rows of a partition by itself: what the store gave it ends with it."""
    cr.execute(
        SQL(
            "CREATE TRIGGER saas_usage_event_guard_own BEFORE UPDATE OR DELETE ON %s"
            " FOR EACH ROW EXECUTE FUNCTION saas_usage_event_guard()",
            name,
        )
    )
