# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import ormcache

from .usage_mapping import apply, compile_mapping
from .usage_origin import Origin


class SaasUsageSource(models.Model):
    """Feeds in a shape of the source's own."""

    _inherit = "saas.usage.source"

    mapping_ids = fields.One2many(
        "saas.usage.mapping",
        "source_id",
        string="Mappings",
        context={"active_test": False},
    )
    mapping_count = fields.Integer(compute="_compute_mapping_count")

    @api.depends("mapping_ids")
    def _compute_mapping_count(self):
        for source in self:
            source.mapping_count = len(source.mapping_ids)

    def _map_payloads(self, payloads, origin=None, mapping=None, budget=None):
        """Make events of payloads in the source's own shape.

        :param list payloads: decoded by ``usage_json.load_flat``
        :param origin: ``usage_origin.Origin`` of all of them
        :param mapping: ``saas.usage.mapping`` to use; default those of the source
        :param budget: ``usage_path.Budget`` to go on with
        :return: list for ``saas.usage.event._ingest``
        :raise TooManyEventsError: more events than are taken at once
        """
        self.ensure_one()
        if mapping:
            mappings = [mapping._compile()]
        else:
            mappings = [
                compile_mapping(terms) for terms in self._get_cached_mappings(self.id)
            ]
        origin = origin or Origin(self.id)
        return apply(mappings, payloads, self.code, origin, budget=budget)

    @api.model
    @ormcache("source_id")
    def _get_cached_mappings(self, source_id):
        # sudo: the sending user may not read mappings
        mappings = (
            self.env["saas.usage.mapping"]
            .sudo()
            .search([("source_id", "=", source_id)])
        )
        return [mapping._get_terms() for mapping in mappings]

    def action_view_mappings(self):
        """Open the mappings of the source.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_mapping_action"
        )
        action["domain"] = [("source_id", "=", self.id)]
        action["context"] = {"active_test": False, "default_source_id": self.id}
        return action
