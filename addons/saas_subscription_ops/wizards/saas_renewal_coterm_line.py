# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasRenewalCotermLine(models.TransientModel):
    """One subscription of a co-terming, with what stands against it."""

    _name = "saas.renewal.coterm.line"
    _description = "Co-Termed Subscription"

    wizard_id = fields.Many2one("saas.renewal.coterm.wizard", ondelete="cascade")
    subscription_id = fields.Many2one("saas.subscription", readonly=True)
    plan_id = fields.Many2one(related="subscription_id.plan_id")
    term_end = fields.Date(related="subscription_id.term_end", string="Ends Now")
    date_end = fields.Date(related="wizard_id.date_end", string="Would End")
    problem = fields.Char(string="Why Not", readonly=True)
