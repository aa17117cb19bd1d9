# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class IrCronProgress(models.Model):
    """Runs of the daily jobs know where they stopped, see ``cron_point.py``."""

    _inherit = "ir.cron.progress"

    saas_point = fields.Json(string="Stopped At")
