# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .usage_store_sql import fulfilled, text


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    counted_by_id = fields.Many2one(
        "saas.meter",
        compute="_compute_counted_by_id",
        search="_search_counted_by_id",
        help="To search by: the events a meter counts. Several may count the same.",
    )

    group_text = fields.Char(
        compute="_compute_group_text",
        search="_search_group_text",
        help="To search by: keys of the data and their texts, as a JSON object; the"
        " empty text where a key is missing.",
    )

    def _compute_group_text(self):
        # Only to search by: which keys are asked for, the search says.
        self.group_text = False

    @api.model
    def _search_group_text(self, operator, value):
        """Return the events whose data has certain texts."""
        if operator not in ("=", "in"):
            return NotImplemented
        wanted = [value] if operator == "=" else list(value)
        return Domain.OR(self._get_group_domain(json.loads(one)) for one in wanted)

    def _get_group_domain(self, group):
        def to_sql(_model, alias, _query):
            data = SQL.identifier(alias, "data")
            texts = (
                SQL("COALESCE(%s, '') = %s", text(key, data), one)
                for key, one in group.items()
            )
            return SQL("(%s)", SQL(" AND ").join(texts))

        return Domain.custom(to_sql=to_sql)

    priced_text = fields.Char(
        compute="_compute_priced_text",
        search="_search_priced_text",
        help="To search by: a price and how events were shared out between prices, as a"
        " JSON object.",
    )

    def _compute_priced_text(self):
        # Only to search by: an event may be priced by several products.
        self.priced_text = False

    @api.model
    def _search_priced_text(self, operator, value):
        """Return the events that go to a price, by their values."""
        if operator not in ("=", "in"):
            return NotImplemented
        wanted = [value] if operator == "=" else list(value)
        return Domain.OR(self._get_priced_domain(json.loads(one)) for one in wanted)

    def _get_priced_domain(self, details):
        conditions = self.env["saas.usage.price"]._read_conditions(details)
        return Domain.custom(
            to_sql=lambda _model, alias, _query: fulfilled(
                conditions, SQL.identifier(alias, "data")
            )
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
