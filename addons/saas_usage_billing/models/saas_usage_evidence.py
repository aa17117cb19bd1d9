# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a charge of metered use was computed from, booked or only proposed."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.engine.period import day_start, local_day

from ..exceptions import UsageStoreError
from .saas_subscription_usage_periods import to_naive
from .usage_store_api import BEGINNING, Bounds, Window, get_store


class SaasUsageEvidence(models.AbstractModel):
    """The evidence of a charge: its events, as they were when it was computed.

    Events that arrived later are left out, so the answers never change.
    """

    _name = "saas.usage.evidence"
    _description = "Charge of Metered Use"

    has_usage = fields.Boolean(compute="_compute_has_usage")

    @api.depends("details")
    def _compute_has_usage(self):
        for charge in self:
            details = charge.details or {}
            charge.has_usage = "price_id" in details and "bounds" in details

    def _get_usage_price(self):
        """Return the price of the charge, empty without usage."""
        self.ensure_one()
        # sudo: the evidence of the charge, not the price list
        price = self.env["saas.usage.price"].sudo()
        return price.browse(self.details["price_id"]) if self.has_usage else price

    def _get_usage_bounds(self):
        """Return what of the store the charge was computed from: ``Bounds``."""
        return Bounds.from_dict(self.details["bounds"])

    def _get_usage_window(self, day=None):
        """Return when the charge was used, as the store is asked for it.

        :param date day: only this local day of it
        :return: ``Window``
        """
        bounds = self.details["bounds"]
        # Charges of earlier versions of this module did not keep it.
        tz = bounds.get("tz") or self.subscription_id.tz
        start = datetime.fromisoformat(bounds["event_from"])
        end = datetime.fromisoformat(bounds["event_to"])
        if day:
            start = max(start, to_naive(day_start(day, tz)))
            end = min(end, to_naive(day_start(day + timedelta(days=1), tz)))
        return Window(self.subscription_id.id, start, max(start, end), tz)

    def _get_usage_reach(self, day=None):
        """Return where the events behind the charge, or one of its days, are.

        :param date day: only what happened on this local day
        :return: ``Window``; a level comes from all events before its end
        """
        window = self._get_usage_window(day)
        if day or not self._get_usage_price().meter_id.is_level:
            return window
        return replace(window, start=BEGINNING)

    def _get_usage_dates(self):
        """Return the first and last local day of what was measured."""
        window = self._get_usage_window()
        last = window.end - timedelta(microseconds=1)
        return tuple(
            local_day(moment.replace(tzinfo=timezone.utc), window.tz)
            for moment in (window.start, last)
        )

    def _get_usage_spec(self, by_dimension=False):
        """Return how the charge was measured, see ``saas.meter._get_spec``."""
        price = self._get_usage_price()
        return price.meter_id._get_spec(
            by_dimension, conditions=price._read_conditions(self.details)
        )

    def _measure_usage(self, by_dimension=False):
        """Measure the evidence of the charge.

        :param bool by_dimension: a quantity for each combination of the dimensions
        :return: dict of group to ``Measured``
        """
        [groups] = get_store(self.env).aggregate(
            self._get_usage_spec(by_dimension),
            [self._get_usage_window()],
            self._get_usage_bounds(),
        )
        return groups

    def _measure_usage_days(self):
        """Measure the evidence of the charge by local day.

        :return: dict of date to ``Measured``, only days with events, in order
        """
        window = self._get_usage_window()
        measured = get_store(self.env).aggregate_by_day(
            self._get_usage_spec(), window, window.tz, self._get_usage_bounds()
        )
        return {day: one for (day, _group), one in sorted(measured.items())}

    def _read_usage_events(self, day=None, after=None, limit=100):
        """Return a page of the events the charge was computed from.

        :param date day: only those of this local day
        :param tuple after: time and id of the last event of the page before
        :param int limit: events of a page
        :return: list of ``Event``
        """
        return get_store(self.env).read_events(
            self._get_usage_spec(),
            self._get_usage_reach(day),
            self._get_usage_bounds(),
            after,
            limit,
        )

    def action_view_usage_events(self, day=None, texts=None):
        """Open the events the charge was computed from, by day.

        :param date day: only those of this local day
        :param list texts: only those of this group of the meter's dimensions
        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        action["domain"] = self._get_usage_event_domain(day)
        if texts is not None:
            keys = self._get_usage_price().meter_id.dimension_ids.mapped("key")
            group = json.dumps(dict(zip(keys, texts, strict=True)))
            action["domain"].append(("group_text", "=", group))
        action["context"] = {} if day else {"search_default_group_day": 1}
        return action

    def _get_usage_event_domain(self, day=None):
        """Return the domain of the events the charge was computed from.

        :param date day: only those of this local day
        """
        if not self.has_usage:
            return [("id", "=", False)]
        window, bounds = self._get_usage_reach(day), self._get_usage_bounds()
        domain = [
            ("subscription_id", "=", self.subscription_id.id),
            ("counted_by_id", "=", self._get_usage_price().meter_id.id),
            ("event_time", ">=", fields.Datetime.to_string(window.start)),
            ("event_time", "<", fields.Datetime.to_string(window.end)),
            ("batch_id", "<=", bounds.batch_max),
            ("batch_id", "not in", list(bounds.batch_open)),
            ("standing_text", "=", json.dumps(bounds.as_dict())),
        ]
        if self.details.get("rules"):
            part = {name: self.details[name] for name in ("price_id", "rules")}
            domain.append(("priced_text", "=", json.dumps(part)))
        return domain

    def action_drill_usage(self):
        """Open what is behind the charge: tiers, days and dimensions.

        :return: window action
        :raise UsageStoreError: nothing was metered
        """
        self.ensure_one()
        if not self.has_usage:
            raise UsageStoreError(
                self.env._(
                    "Nothing is metered behind “%(name)s”: only charges of metered use"
                    " can be taken apart.",
                    name=self.display_name,
                )
            )
        return self.env["saas.usage.drill"]._open(self)
