# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasUsageMapSubjectLine(models.TransientModel):
    """A subject, and what it leads to."""

    _name = "saas.usage.map.subject.line"
    _description = "Subject of Quarantined Usage"
    _order = "row_count desc, id"

    wizard_id = fields.Many2one(
        "saas.usage.map.subject", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    source = fields.Char(readonly=True)
    subject = fields.Char(readonly=True)
    row_count = fields.Integer(string="Events", readonly=True)
    partner_id = fields.Many2one(
        "res.partner",
        string="Account",
        domain="['|', ('is_company', '=', True), ('parent_id', '=', False)]",
    )
    subscription_id = fields.Many2one(
        "saas.subscription", domain="[('company_id', '=', company_id)]"
    )

    def _get_target(self):
        """Return the values of the external id, empty when nothing was chosen."""
        self.ensure_one()
        own = self.partner_id or self.subscription_id
        chosen = self if own else self.wizard_id
        if not (chosen.partner_id or chosen.subscription_id):
            return {}
        return {
            "partner_id": chosen.partner_id.id,
            "subscription_id": chosen.subscription_id.id,
        }

    def _write_external_ids(self):
        """Write one external id each; one that is there already is led elsewhere."""
        for line in self:
            key = {
                "source": line.source,
                "kind": "subject",
                "value": line.subject,
                "company_id": line.company_id.id,
            }
            existing = self.env["saas.external.id"]._resolve(
                line.source, "subject", line.subject, line.company_id
            )
            if existing:
                existing.write(line._get_target())
            else:
                existing.create([{**key, **line._get_target()}])
