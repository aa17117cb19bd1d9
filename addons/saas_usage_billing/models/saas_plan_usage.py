# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasPlan(models.Model):
    """What becomes of usage that arrives after its period was invoiced."""

    _inherit = "saas.plan"

    usage_correction = fields.Selection(
        [
            ("next_invoice", "On the Next Invoice"),
            ("own_document", "On a Document of Their Own"),
        ],
        string="Usage Corrections",
        required=True,
        default="next_invoice",
        tracking=True,
        help="How usage that arrives after its period was invoiced is billed. On a "
        "document of their own: an invoice or credit note with nothing else, made by "
        "a billing run for usage corrections.",
    )
    usage_correction_min = fields.Float(
        string="Smallest Usage Correction",
        digits="Product Price",
        tracking=True,
        aggregator=None,
        help="In company currency. Corrections of invoiced usage wait until together "
        "they reach this amount; when the subscription ends they are billed whatever "
        "they come to. 0: every correction is billed as soon as it is found.",
    )
    usage_correction_days = fields.Integer(
        string="Late Usage Charged For (Days)",
        tracking=True,
        aggregator=None,
        help="Additional usage of an invoiced period is no longer charged by runs "
        "whose cut-off lies more than so many days after the period. Credits are "
        "always given. 0: without limit.",
    )

    _usage_correction_not_negative = models.Constraint(
        "CHECK (COALESCE(usage_correction_min, 0) >= 0"
        " AND COALESCE(usage_correction_days, 0) >= 0)",
        "The smallest correction and the days of late usage can't be negative. Enter 0 "
        "for no limit.",
    )
