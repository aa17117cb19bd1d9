# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices for some values of the meter's dimensions: every event goes to exactly one."""

from odoo import api, fields, models

from ..engine.dimension import GoesTo, Rule
from ..engine.filters import Condition


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    sequence = fields.Integer(
        default=10,
        tracking=True,
        help="Decides between prices that name as many dimensions of an event: the"
        " lowest comes first.",
    )
    match_ids = fields.One2many(
        "saas.usage.price.match",
        "price_id",
        string="Only For",
        copy=True,
        help="Only events with these values of the meter's dimensions. Several values"
        " of one dimension are alternatives; the price that names most dimensions of"
        " an event counts.",
    )
    match_count = fields.Integer(
        compute="_compute_match_count",
        store=True,
        string="Named Dimensions",
        aggregator=None,
    )
    match_text = fields.Char(compute="_compute_match_text", string="Only For Values")
    has_dimensions = fields.Boolean(compute="_compute_has_dimensions")

    @api.depends("match_ids.dimension_id")
    def _compute_match_count(self):
        for price in self:
            price.match_count = len(price.match_ids.dimension_id)

    @api.depends("match_ids.dimension_id.name", "match_ids.value")
    def _compute_match_text(self):
        for price in self:
            price.match_text = price._describe_match()

    @api.depends("meter_id.dimension_ids")
    def _compute_has_dimensions(self):
        for price in self:
            price.has_dimensions = bool(price.meter_id.dimension_ids)

    @api.depends("match_text")
    def _compute_name(self):
        result = super()._compute_name()
        for price in self.filtered("match_text"):
            parts = filter(None, (price.name, price.match_text))
            price.name = " / ".join(parts)
        return result

    def _get_values(self):
        """Return the values a price is for.

        :return: dict of key of the event's data to sorted list of texts
        """
        self.ensure_one()
        if not self.match_count:
            return {}
        return {
            dimension.key: sorted({match.value or "" for match in own})
            for dimension, own in sorted(
                self.match_ids.grouped("dimension_id").items(),
                key=lambda one: one[0].key or "",
            )
        }

    def _describe_match(self):
        """Return the values a price is for in words; empty when it is for all."""
        self.ensure_one()
        groups = self.match_ids.grouped("dimension_id")
        return ", ".join(
            f"{dimension.name} {'/'.join(own.mapped(lambda row: row.value or ''))}"
            for dimension, own in groups.items()
        )

    def _get_conditions(self):
        """Return what an event has to fulfil for the price.

        :return: tuple of the engine's ``Condition``
        """
        self.ensure_one()
        return tuple(
            Condition(key, "in", tuple(values))
            for key, values in self._get_values().items()
        )

    def _get_rules(self):
        """Return how events are shared out between prices, in the order of these.

        :return: tuple of ``Rule`` whose price is the position; empty when the first
            price is for all events
        """
        if not self or not self[0].match_count:
            return ()
        return tuple(
            Rule(position, price._get_conditions())
            for position, price in enumerate(self)
        )

    def _get_part_conditions(self, price_id):
        """Return which events go to one of these prices.

        :param int price_id: one of them; 0: none of them
        :return: tuple of ``GoesTo``, empty when all events do
        """
        rules = self._get_rules()
        if not rules:
            return ()
        return (GoesTo(rules, self.ids.index(price_id) if price_id else None),)

    def _insert_archived(self, archived):
        """Return the prices of a period with archived ones it is booked with.

        An archived price is tried before those that name no more dimensions, so that
        it goes on for what it was invoiced for. Another version of it corrects it.

        :param archived: archived prices
        """
        found = list(self)
        for kept in archived.sorted(lambda price: price._get_order()):
            if kept.root_id in self.root_id:
                continue
            places = range(len(found))
            after = (n for n in places if found[n].match_count <= kept.match_count)
            found.insert(next(after, len(found)), kept)
        stop = (n for n, price in enumerate(found, 1) if not price.match_count)
        return self.browse().concat(*found[: next(stop, len(found))])

    def _prepare_rules(self):
        """Prepare the evidence of how events were shared out between prices.

        :return: list of plain values, see ``_read_conditions``
        """
        if not self._get_rules():
            return []
        return [{"price_id": price.id, "match": price._get_values()} for price in self]

    @api.model
    def _read_conditions(self, details):
        """Return which of the events of its period a charge was computed from.

        :param details: those of the charge, with the rules of ``_prepare_rules``
        :return: tuple of ``GoesTo``, empty when all events went to its price
        """
        if not details.get("rules"):
            return ()
        rules = tuple(
            Rule(
                row["price_id"],
                tuple(
                    Condition(key, "in", tuple(values))
                    for key, values in row["match"].items()
                ),
            )
            for row in details["rules"]
        )
        return (GoesTo(rules, details["price_id"]),)

    def _find_faults(self):
        """Yield what keeps the terms from being used: the field, and the cure."""
        yield from super()._find_faults()
        if not self.match_count:
            return
        dimensions = self.match_ids.dimension_id
        for foreign in dimensions.filtered(lambda one: one.meter_id != self.meter_id):
            yield self.env._(
                "“%(dimension)s” is no dimension of the meter %(meter)s. Remove it from"
                " “Only For”, or choose one of the meter's dimensions.",
                dimension=foreign.name,
                meter=self.meter_id.name,
            )

    @api.constrains("meter_id")
    def _check_meter_terms(self):
        self._check_terms()

    @api.constrains("match_ids")
    def _check_match_overlap(self):
        self._check_overlap()

    def _get_rivals(self):
        """Return those that bill the same events: of other values is no rival.

        Another version of the price is one whatever its values: both are booked under
        one reference.
        """
        values = self._get_values()
        return (
            super()
            ._get_rivals()
            .filtered(
                lambda other: (
                    other.root_id == self.root_id or other._get_values() == values
                )
            )
        )
