# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL
from odoo.tools.misc import format_date

from .usage_fields import BigInteger

STATES = [
    ("attached", "In Use"),
    ("frozen", "Closed"),
    ("detached", "Detached"),
    ("dropped", "Dropped"),
]


class SaasUsagePartition(models.Model):
    """A month of stored usage: a table of its own in the database.

    Made with the partition itself, changed by its buttons and the daily job.
    """

    _name = "saas.usage.partition"
    _description = "Stored Usage by Month"
    _inherit = ["saas.mixin"]
    _log_access = False
    _order = "month desc"
    _rec_name = "name"

    month = fields.Date(
        required=True, readonly=True, help="First day, UTC, of the events' own times."
    )
    name = fields.Char(string="Table", required=True, readonly=True)
    state = fields.Selection(
        STATES,
        required=True,
        readonly=True,
        help="Closed: nothing comes in any more, invoices still follow from the events."
        " Detached: a table of its own that nothing reads; what was invoiced stays.",
    )
    rows_estimate = BigInteger(
        string="Stored Events",
        compute="_compute_size",
        help="As the database estimates them, without counting.",
    )
    bytes = BigInteger(
        compute="_compute_size", help="On disk, with the indexes of the table."
    )
    size_text = fields.Char(string="Size", compute="_compute_size")

    _month_uniq = models.Constraint(
        "UNIQUE (month)", "There is a partition of this month already."
    )

    @api.depends("month")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for partition in self:
            partition.display_name = format_date(
                self.env, partition.month, date_format="LLLL yyyy"
            )

    def _compute_size(self):
        rows = self.env.execute_query(
            SQL(
                """
                SELECT p.id, GREATEST(c.reltuples::bigint, t.n_live_tup, 0),
                       pg_total_relation_size(c.oid),
                       pg_size_pretty(pg_total_relation_size(c.oid))
                  FROM saas_usage_partition p
                  JOIN pg_class c ON c.oid = to_regclass(p.name)
                  LEFT JOIN pg_stat_all_tables t ON t.relid = c.oid
                 WHERE p.id = ANY(%s)
                """,
                self.ids,
            )
        )
        found = {record_id: sizes for record_id, *sizes in rows}
        for partition in self:
            sizes = found.get(partition.id, (0, 0, False))
            partition.rows_estimate, partition.bytes, partition.size_text = sizes
