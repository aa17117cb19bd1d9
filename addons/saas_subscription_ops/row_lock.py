# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Row locks that make who waited begin anew."""

from odoo.tools import SQL


def lock_rows(records):
    """Take the row locks of records until the transaction ends.

    The no-op update makes a second transaction that waited here fail with a
    serialization error, which the framework repeats on fresh data. A plain lock would
    let it go on with its old view; Odoo's ``lock_for_update`` does not wait at all.

    :param records: of one model, may be empty
    """
    if not records:
        return
    records.flush_recordset()
    records.env.cr.execute(
        SQL(
            "UPDATE %s SET id = id WHERE id IN %s",
            SQL.identifier(records._table),
            tuple(sorted(records.ids)),
        ),
        # Losing the race is repeated, not a fault of the query.
        log_exceptions=False,
    )
