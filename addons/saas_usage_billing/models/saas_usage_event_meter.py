# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .usage_store_sql import fulfilled


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    counted_by_id = fields.Many2one(
        "saas.meter",
        compute="_compute_counted_by_id",
        search="_search_counted_by_id",
        help="To search by: the events a meter counts. Several may count the same.",
    )

    def _compute_counted_by_id(self):
        # Only to search by: an event may be counted by several.
        self.counted_by_id = False

    @api.model
    def _search_counted_by_id(self, operator, value):
        """Return the events whose type and data a meter looks at."""
        if operator not in ("=", "in"):
            return NotImplemented
        # sudo: the meter of an event or a charge, not the list of meters
        Meter = self.env["saas.meter"].sudo().with_context(active_test=False)
        ids = [value] if operator == "=" else list(value)
        meters = Meter.browse([one for one in ids if one]).exists()
        return Domain.OR(self._get_meter_domain(meter) for meter in meters)

    def _get_meter_domain(self, meter):
        domain = Domain("event_type", "=", meter.event_type)
        conditions = meter._get_conditions()
        if not conditions:
            return domain
        return domain & Domain.custom(
            to_sql=lambda _model, alias, _query: fulfilled(
                conditions, SQL.identifier(alias, "data")
            )
        )
