# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

CONTACT_ROLES = [
    ("sponsor", "Sponsor"),
    ("lead", "Project Lead"),
    ("technical", "Technical Contact"),
    ("user", "Key User"),
    ("billing", "Billing Contact"),
    ("other", "Other"),
]


class SaasHandoverContact(models.Model):
    """Somebody at the customer's whom delivery talks to."""

    _name = "saas.handover.contact"
    _description = "Contact of a Handover"
    _order = "role, id"

    handover_id = fields.Many2one(
        "saas.handover", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="handover_id.company_id", store=True, index=True
    )
    partner_id = fields.Many2one(
        "res.partner", string="Contact", required=True, index=True, ondelete="restrict"
    )
    role = fields.Selection(CONTACT_ROLES, required=True, default="lead")
    email = fields.Char(related="partner_id.email")
    phone = fields.Char(related="partner_id.phone")
    note = fields.Char()

    _contact_uniq = models.UniqueIndex(
        "(handover_id, partner_id, role)",
        "This contact has this role in the handover already.",
    )

    @api.depends("partner_id", "role")
    def _compute_display_name(self):
        roles = dict(self._fields["role"]._description_selection(self.env))
        for contact in self:
            contact.display_name = (
                f"{contact.partner_id.name or ''} ({roles.get(contact.role, '')})"
            )

    @api.model_create_multi
    def create(self, vals_list):
        contacts = super().create(vals_list)
        # Afterwards, since a default may have named the handover.
        contacts.handover_id._check_promises({"contact_ids": True})
        contacts.handover_id._settle()
        return contacts

    def write(self, vals):
        self.handover_id._check_promises({"contact_ids": True})
        result = super().write(vals)
        if "handover_id" in vals:
            self.handover_id._check_promises({"contact_ids": True})
        self.handover_id._settle()
        return result

    def unlink(self):
        handovers = self.handover_id
        handovers._check_promises({"contact_ids": True})
        result = super().unlink()
        handovers.exists()._settle()
        return result
