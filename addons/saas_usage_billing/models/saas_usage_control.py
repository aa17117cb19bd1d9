# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models, tools


class SaasUsageControl(models.Model):
    """Daily control report: everything received is stored, known or quarantined."""

    _name = "saas.usage.control"
    _description = "Usage Control Report"
    _auto = False
    _log_access = False
    _order = "day desc, id desc"
    _rec_name = "day"

    day = fields.Date(readonly=True, help="Day of arrival, UTC.")
    company_id = fields.Many2one("res.company", readonly=True)
    source_id = fields.Many2one("saas.usage.source", readonly=True)
    requests = fields.Integer(readonly=True)
    received = fields.Integer(readonly=True)
    stored = fields.Integer(readonly=True)
    duplicate = fields.Integer(readonly=True)
    quarantined = fields.Integer(readonly=True)
    rejected = fields.Integer(readonly=True)
    difference = fields.Integer(
        readonly=True,
        help="Received less stored, duplicate and quarantined: must be zero.",
    )

    def init(self):
        """Create the view over the log of requests."""
        tools.drop_view_if_exists(self.env.cr, self._table)
        self.env.cr.execute(
            """
            CREATE VIEW saas_usage_control AS
            SELECT min(id) AS id, received_at::date AS day, company_id, source_id,
                   count(*)::integer AS requests,
                   sum(received)::integer AS received,
                   sum(stored)::integer AS stored,
                   sum(duplicate)::integer AS duplicate,
                   sum(quarantined)::integer AS quarantined,
                   sum(rejected)::integer AS rejected,
                   sum(received - stored - duplicate - quarantined)::integer
                       AS difference
              FROM saas_usage_batch
             WHERE kind = 'api'
             GROUP BY received_at::date, company_id, source_id
            """
        )
