# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from .saas_onboarding_document_upload import DEFAULT_TYPES, PARAM_SIZE, PARAM_TYPES


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_document_max_mb = fields.Float(
        string="Largest Document (MB)", config_parameter=PARAM_SIZE, default=25
    )
    saas_document_extensions = fields.Char(
        string="Document Types", config_parameter=PARAM_TYPES, default=DEFAULT_TYPES
    )
