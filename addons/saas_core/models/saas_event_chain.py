# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasEventChain(models.Model):
    """The sealed end of one company's event chain."""

    _name = "saas.event.chain"
    _description = "Event Chain"
    _rec_name = "company_id"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )

    _company_unique = models.Constraint(
        "UNIQUE (company_id)", "This company has a chain already."
    )
