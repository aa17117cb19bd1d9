# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What charges rest on when the events behind them are detached."""

from odoo import models
from odoo.tools.misc import format_date

from ..exceptions import UsageStoreError
from .usage_reading_book import load_days, load_groups


class SaasUsageEvidence(models.AbstractModel):
    _inherit = "saas.usage.evidence"

    def _get_kept_evidence(self):
        """Return the reading that stands for events which are detached.

        :return: ``saas.usage.reading``, empty: the events are in the store
        :raise UsageStoreError: neither is there
        """
        # sudo: the evidence of the charge, whoever may read it
        Reading = self.env["saas.usage.reading"].sudo()
        until = self.env["saas.usage.partition"]._get_detached_until()
        if not until:
            return Reading
        if self._name == "saas.charge":
            found = Reading.search([("charge_id", "=", self.id)], limit=1)
            if found:
                return found
        if self._get_usage_window().start < until:
            raise UsageStoreError(
                self.env._(
                    "The events behind “%(name)s” are no longer kept. What was invoiced"
                    " can be taken apart from its charge.",
                    name=self.display_name,
                )
            )
        return Reading

    def _measure_usage(self, by_dimension=False):
        """Take the answer from what was kept where the events are detached."""
        kept = self._get_kept_evidence()
        if not kept:
            return super()._measure_usage(by_dimension)
        return load_groups(kept.parts if by_dimension else kept.groups)

    def _measure_usage_days(self):
        """Take the answer from what was kept where the events are detached."""
        kept = self._get_kept_evidence()
        if not kept:
            return super()._measure_usage_days()
        return load_days(kept.days)

    def _has_single_events(self, day=None) -> bool:
        """Return whether any of the events of a charge may still be in the store.

        :param date day: only those of this local day
        """
        until = self.env["saas.usage.partition"]._get_detached_until()
        return not until or self._get_usage_window(day).end > until

    def _get_detached_note(self, day=None) -> str:
        """Say which of the events behind a charge are no longer kept.

        :param date day: only what happened on this local day
        :return: empty when all of them are there
        """
        until = self.env["saas.usage.partition"]._get_detached_until()
        if not until or self._get_usage_reach(day).start >= until:
            return ""
        if not self._has_single_events(day):
            return self.env._(
                "The single events of this time are no longer kept. Quantities and"
                " amounts stay as they were invoiced."
            )
        return self.env._(
            "Single events before %(day)s (UTC) are no longer kept. Quantities and"
            " amounts stay as they were invoiced.",
            day=format_date(self.env, until),
        )

    def action_view_usage_events(self, day=None, texts=None):
        """Say where the events are when they are detached."""
        self.ensure_one()
        if self.has_usage and not self._has_single_events(day):
            raise UsageStoreError(
                self.env._(
                    "The events of this charge are no longer kept here. Its days, tiers"
                    " and dimensions are; single events are in the archive of what was"
                    " detached, if there is one."
                )
            )
        return super().action_view_usage_events(day, texts)
