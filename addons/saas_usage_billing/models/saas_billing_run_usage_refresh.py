# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Previews that nobody decided on follow the usage that arrives."""

from odoo import api, models
from odoo.tools import split_every

from .saas_subscription_usage_periods import CACHE

#: Lines computed again between two commits.
BATCH = 100
#: Subscriptions named in the chatter; the rest is counted.
NAMED = 20


class SaasBillingRun(models.Model):
    _inherit = "saas.billing.run"

    @api.model
    def _cron_refresh_previews(self):
        """Compute lines again whose subscriptions got usage for a billed period.

        Only in previews that wait for a review, and only lines nobody decided on:
        what somebody looked at and approved of stays as it was.
        """
        progress = self.env["ir.cron"]._commit_progress
        batches = [
            (run, lines)
            for run in self.search([("state", "=", "computed")], order="id")
            for lines in split_every(BATCH, run._find_outdated_lines().ids)
        ]
        if not progress(remaining=len(batches)):
            return
        for run, lines in batches:
            # What was read before the commit is of another moment.
            self.env.cr.cache.pop(CACHE, None)
            self.env.invalidate_all()
            run._refresh_lines(lines)
            if not progress(1):
                return

    def _find_outdated_lines(self):
        """Return the undecided lines that would see other usage now.

        :return: ``saas.billing.run.line``
        """
        self.ensure_one()
        lines = self.line_ids.filtered(lambda line: line._is_refreshable())
        # First by the whole life of the subscriptions, then by their closed periods.
        for get_windows in (
            lambda line: line._get_life_windows(),
            lambda line: line._get_closed_windows(),
        ):
            lines = lines._filter_newer(get_windows)
        return lines

    def _refresh_lines(self, line_ids):
        """Compute lines again, unless somebody decided meanwhile.

        :param line_ids: ids of ``saas.billing.run.line``
        """
        self.ensure_one()
        # Whoever reviews the run now waits for the result.
        run = self.try_lock_for_update(allow_referencing=True)
        if not run or run.state != "computed":
            return
        lines = self.env["saas.billing.run.line"].browse(line_ids).exists()
        lines = lines.filtered(lambda line: line._is_refreshable())
        if not lines:
            return
        names = lines.subscription_id.mapped("name")
        lines._compute_preview()
        subscriptions = ", ".join(names[:NAMED])
        if len(names) > NAMED:
            subscriptions = self.env._(
                "%(names)s and %(more)s more",
                names=subscriptions,
                more=len(names) - NAMED,
            )
        run.message_post(
            body=self.env._(
                "Usage arrived, computed again: %(subscriptions)s",
                subscriptions=subscriptions,
            )
        )
