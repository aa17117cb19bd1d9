# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tables of live figures: a cache of the store that can be thrown away at any time.

``saas_usage_bucket`` holds per local day what events add up to, and
``saas_usage_bucket_key`` the different keys of each day, as hashes. Which subscriptions
and meters are counted, since which day and by which definition, is in
``saas_usage_bucket_state``; ``is_counted`` of a request says that its events are in.
``saas_usage_touched`` lists the subscriptions whose thresholds are to be looked at.
"""

_CREATE = """
CREATE TABLE IF NOT EXISTS saas_usage_bucket_state (
    subscription_id integer NOT NULL,
    meter_id integer NOT NULL,
    digest varchar NOT NULL,
    tz varchar NOT NULL,
    wanted_from date NOT NULL,
    complete_from date NOT NULL,
    PRIMARY KEY (subscription_id, meter_id)
);
CREATE TABLE IF NOT EXISTS saas_usage_bucket (
    subscription_id integer NOT NULL,
    meter_id integer NOT NULL,
    day date NOT NULL,
    group_key uuid NOT NULL,
    grp jsonb NOT NULL,
    events bigint NOT NULL,
    valued bigint NOT NULL,
    total numeric,
    low numeric,
    high numeric,
    last_value numeric,
    last_time timestamp,
    last_id bigint,
    area numeric,
    seen_at timestamp NOT NULL,
    PRIMARY KEY (subscription_id, meter_id, day, group_key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE TABLE IF NOT EXISTS saas_usage_bucket_key (
    subscription_id integer NOT NULL,
    meter_id integer NOT NULL,
    day date NOT NULL,
    key uuid NOT NULL,
    PRIMARY KEY (subscription_id, meter_id, day, key)
);
CREATE TABLE IF NOT EXISTS saas_usage_touched (
    subscription_id integer PRIMARY KEY
);
-- Rewritten all the time: little must be dead before it is cleaned up.
ALTER TABLE saas_usage_bucket SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE saas_usage_bucket_state SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE saas_usage_touched SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);
-- Inserted into by day, deleted from by day.
ALTER TABLE saas_usage_bucket_key SET (autovacuum_vacuum_insert_scale_factor = 0.05);
-- Tables of earlier versions do not have it.
ALTER TABLE saas_usage_touched ADD COLUMN IF NOT EXISTS
    touched_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC');
"""


def create_buckets(cr):
    """Create whatever of the tables is missing.

    :param cr: database cursor
    """
    cr.execute(_CREATE)


def drop_buckets(cr):
    """Drop the tables, for the removal of the module.

    :param cr: database cursor
    """
    cr.execute(
        """
        DROP TABLE IF EXISTS saas_usage_bucket;
        DROP TABLE IF EXISTS saas_usage_bucket_key;
        DROP TABLE IF EXISTS saas_usage_bucket_state;
        DROP TABLE IF EXISTS saas_usage_touched;
        """
    )
