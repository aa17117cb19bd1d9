# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class CrmLead(models.Model):
    """Renewals stand in the pipeline sales works with, as opportunities like others."""

    _inherit = "crm.lead"

    saas_lead_kind = fields.Selection(
        [("new", "New Business"), ("renewal", "Renewal"), ("expansion", "Expansion")],
        string="Kind of Business",
        default="new",
        required=True,
        index=True,
    )
    saas_renewal_ids = fields.One2many(
        "saas.renewal", "lead_id", string="Renewals", readonly=True
    )
    saas_subscription_ids = fields.Many2many(
        "saas.subscription",
        "saas_subscription_crm_lead_rel",
        "lead_id",
        "subscription_id",
        string="Subscriptions",
        copy=False,
    )
