# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which lines of a preview would see other usage now."""

from collections import defaultdict
from dataclasses import replace

from odoo import models

from odoo.addons.saas_subscription_ops.engine.period import day_start

from .saas_subscription_usage_periods import to_naive
from .usage_store_api import BEGINNING, Bounds, Look, Window, get_store


class SaasBillingRunLine(models.Model):
    _inherit = "saas.billing.run.line"

    def _is_refreshable(self) -> bool:
        """Return whether the line shows usage and nobody decided on it."""
        self.ensure_one()
        return (
            self.state in ("ok", "held")
            and not self.decided_by_id
            and bool(self.usage_bounds)
        )

    def _filter_newer(self, get_windows):
        """Return the lines with usage that came after they were computed.

        :param get_windows: gives (event type, window) of a line
        """
        looks, owners = [], []
        for line in self:
            bounds = Bounds.from_dict(line.usage_bounds)
            for event_type, window in get_windows(line):
                looks.append(Look(window, event_type, bounds))
                owners.append(line.id)
        newer = get_store(self.env).find_newer(looks)
        return self.browse(
            dict.fromkeys(owners[position] for position in sorted(newer))
        )

    def _get_life_windows(self) -> list:
        """Return (event type, window) of all that may count up to the cut-off."""
        subscription = self.subscription_id
        start = to_naive(day_start(subscription.date_start, subscription.tz))
        end = to_naive(day_start(self.run_id.date_cutoff, subscription.tz))
        # sudo: whoever computes need not be allowed to see the meters
        meters = subscription.sudo()._get_usage_lines().product_id.saas_meter_id
        starts = {}
        for meter in meters:
            first = BEGINNING if meter.is_level else start
            starts[meter.event_type] = min(first, starts.get(meter.event_type, first))
        return [
            (event_type, Window(subscription.id, first, end))
            for event_type, first in starts.items()
        ]

    def _get_closed_windows(self) -> list:
        """Return (event type, window) of the closed periods, each stretch as one.

        Levels come from all events before, too.
        """
        subscription = self.subscription_id
        periods = subscription._get_usage_periods(self.run_id.date_cutoff)
        # sudo: whoever computes need not be allowed to see the meters
        meters = self.env["saas.meter"].sudo()
        stretches = defaultdict(list)
        for period in periods:
            meter = meters.browse(period.meter_id)
            window = period.window
            if meter.is_level:
                window = replace(window, start=BEGINNING)
            stretches[period.product_tmpl_id, meter.event_type].append(window)
        return [
            (
                event_type,
                Window(
                    subscription.id,
                    min(window.start for window in windows),
                    max(window.end for window in windows),
                ),
            )
            for (_product, event_type), windows in stretches.items()
        ]
