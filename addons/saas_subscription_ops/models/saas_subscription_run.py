# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from odoo import fields, models

from ..engine.ledger import is_due

# How far ahead the next charge is looked for.
LOOK_AHEAD_DAYS = 100


class SaasSubscription(models.Model):
    """What a billing run asks of a subscription besides its charges."""

    _inherit = "saas.subscription"

    def saas_retry_compute(self):
        """Price again what could not be priced, from the exception queue.

        Failed lines of previews that are still open are computed again. A reviewed
        run is not touched: the next run bills the subscription.

        :raise BillingError: still failing
        """
        self.env["saas.billing.run"]._check_role("operator")
        for subscription in self:
            lines = subscription.run_line_ids.filtered(
                lambda line: line.state == "failed" and line.run_id.state == "computed"
            )
            cutoffs = set(lines.run_id.mapped("date_cutoff"))
            for cutoff in cutoffs or {subscription._get_latest_cutoff()}:
                subscription._get_unbooked_charges(cutoff)
            # Their preview must stand by whoever computed it last.
            lines.run_id._add_preparer()
            lines._compute_preview()

    def _get_latest_cutoff(self) -> date:
        """Return the cut-off a failure was last seen with."""
        last = self.run_line_ids.sorted("id")[-1:].run_id
        return last.date_cutoff or fields.Date.context_today(self)

    # ------------------------------------------------------------------
    # Settled subscriptions
    # ------------------------------------------------------------------
    def _filter_billing_provable(self):
        """Return the subscriptions whose charges follow from their own records alone.

        Extend it together with ``_get_proposed_charges``: leave out subscriptions with
        charges from another source, for example from events, or make that source's
        model one of ``saas.billing.mark._get_input_models``.
        """
        return self.filtered(
            lambda record: all(line.kind != "usage" for line in record.line_ids)
        )

    def _get_settled_until(self, cutoff: date) -> date:
        """Return the last cut-off for which no more is due than for this one.

        :param date cutoff: exclusive cut-off that was just computed
        :return: the cut-off itself or a later day
        """
        self.ensure_one()
        last = cutoff + timedelta(days=LOOK_AHEAD_DAYS)
        grace = self.plan_id.grace_days
        # Booked ahead by a run with a later cut-off: it comes into view some day too.
        for row in self._get_proposed_charges(last) + self._get_booked_charges():
            start, end = row.service_start, row.service_end
            timing = "arrears" if row.kind == "usage" else row.timing
            if is_due(timing, start, end, cutoff, grace):
                continue
            # The latest cut-off that does not yet see the row.
            bound = start
            if timing == "arrears":
                bound = end + timedelta(days=grace - 1)
            last = min(last, bound)
        return max(cutoff, last)
