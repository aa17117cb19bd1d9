# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is kept of the store, month by month.

``saas_usage_partition`` has a row for each month that ever had a partition, see the
model ``saas.usage.partition``.
"""

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
"""


def create_partitions(cr):
    """Create the table, with the months there are; the store exists.

    :param cr: database cursor
    """
    cr.execute(_CREATE)


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
