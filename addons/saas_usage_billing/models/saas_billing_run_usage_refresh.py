# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Previews that nobody decided on follow the usage that arrives."""

from odoo import api, models
from odoo.tools import split_every

from .saas_subscription_usage_periods import CACHE

#: Lines computed again between two commits.
BATCH = 100
#: Subscriptions named in the chatter; the rest is counted.
NAMED = 20
REFRESH_FAILED = "usage.refresh_failed"


class SaasBillingRun(models.Model):
    _inherit = "saas.billing.run"

    @api.model
    def _cron_refresh_previews(self):
        """Compute lines again whose subscriptions got usage for a billed period.

        Only in previews that wait for a review, and only lines nobody decided on:
        what somebody looked at and approved of stays as it was. What fails is told
        and undoes nothing else.
        """
        progress = self.env["ir.cron"]._commit_progress
        failed, batches = self.browse(), []
        for run in self.search([("state", "=", "computed")], order="id"):
            found = run._try_find_outdated()
            if found is None:
                failed |= run
            else:
                batches += [(run, lines) for lines in split_every(BATCH, found)]
        if not progress(remaining=len(batches)):
            return
        for run, lines in batches:
            if not run._try_refresh(lines):
                failed |= run
            if not progress(1):
                return
        (self._saas_find_told(REFRESH_FAILED) - failed)._saas_resolve(
            REFRESH_FAILED, self.env._("Computed again, or decided on meanwhile.")
        )

    def _try_find_outdated(self):
        """Look for outdated lines; a failure is told.

        :return: ids of ``saas.billing.run.line``; None: it failed
        """
        found = []
        error = self._saas_try(lambda run: found.extend(run._find_outdated_lines().ids))
        if error:
            self._tell_refresh_failed({self.name: error})
            return None
        return found

    def _try_refresh(self, line_ids) -> bool:
        """Compute lines again; where they fail together, each by itself.

        :param line_ids: ids of ``saas.billing.run.line``
        :return: whether all of them could be computed
        """
        if not self._try_refresh_lines(line_ids):
            return True
        errors = {}
        for line in self.env["saas.billing.run.line"].browse(line_ids).exists():
            name = line.subscription_id.name
            if error := self._try_refresh_lines(line.ids):
                errors[name] = error
        if errors:
            self._tell_refresh_failed(errors)
        return not errors

    def _try_refresh_lines(self, line_ids):
        self._forget_usage()
        return self._saas_try(lambda run: run._refresh_lines(line_ids))

    def _forget_usage(self):
        """Read anew: what was read before a commit is of another moment."""
        self.env.cr.cache.pop(CACHE, None)
        self.env.invalidate_all()

    def _tell_refresh_failed(self, errors):
        """Tell finance what could not be computed again.

        :param dict errors: by name of the subscription, or of the run
        """
        told = [f"{name}: {error}" for name, error in errors.items()]
        self._saas_raise(
            REFRESH_FAILED,
            self.env._(
                "Usage arrived, but the preview could not be computed again and shows"
                " what was known before. Mend the cause and retry, or hold the lines."
                " %(errors)s",
                errors="; ".join(told[:NAMED]),
            ),
            queue="finance",
            severity="high",
            retry_method="saas_retry_refresh",
        )

    def saas_retry_refresh(self):
        """Compute what is outdated again, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not compute previews
        for run in self.sudo().filtered(lambda one: one.state == "computed"):
            run._forget_usage()
            run._refresh_lines(run._find_outdated_lines().ids)

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
