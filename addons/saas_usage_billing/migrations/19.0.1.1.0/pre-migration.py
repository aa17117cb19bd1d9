# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Requests are numbered by ``bigint``; the store is rewritten once for it."""

from odoo.tools import sql


def migrate(cr, version):
    """Widen the numbers of requests wherever they are kept.

    The views that show them are made again by the update.
    """
    for view in ("saas_usage_control", "saas_usage_event"):
        sql.drop_view_if_exists(cr, view)
    cr.execute(
        """
        ALTER TABLE saas_usage_batch ALTER COLUMN id TYPE bigint;
        ALTER SEQUENCE saas_usage_batch_id_seq AS bigint;
        ALTER TABLE saas_usage_quarantine ALTER COLUMN batch_id TYPE bigint;
        ALTER TABLE saas_usage_event_store ALTER COLUMN batch_id TYPE bigint
        """
    )
