# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ProductTemplate(models.Model):
    _inherit = "product.template"

    saas_entitlement_count = fields.Integer(
        compute="_compute_saas_entitlement_count",
        string="Features",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_saas_entitlement_count(self):
        counts = dict(
            self.env["saas.entitlement"]._read_group(
                [("product_id", "in", self.product_variant_ids.ids)],
                ["product_id"],
                ["__count"],
            )
        )
        for template in self:
            template.saas_entitlement_count = sum(
                counts.get(product, 0) for product in template.product_variant_ids
            )

    def action_view_saas_entitlements(self) -> dict:
        """Open the features the product brings.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_entitlement_action"
        )
        action["domain"] = [("product_id", "in", self.product_variant_ids.ids)]
        action["context"] = {"default_product_id": self.product_variant_id.id}
        return action
