# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What speaks for and against the next term: sources are asked, points are given."""

import logging
from collections import defaultdict
from datetime import date

from odoo import models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_renewal_signals(self, day: date) -> list:
        """Return what is known about the next renewal.

        :param date day: nothing reads the clock below this point
        :return: list of (code, points, words); see ``saas.renewal.signal``
        """
        self.ensure_one()
        return self._collect_renewal_signals(day)[self.id]

    def _collect_renewal_signals(self, day: date) -> dict:
        """Ask every source once for all subscriptions.

        :param date day: nothing reads the clock below this point
        :return: list of (code, points, words) per subscription id
        """
        weights = self.env["saas.renewal.signal"]._get_weights()
        result = {subscription.id: [] for subscription in self}
        for source in self._get_renewal_signal_sources():
            for subscription_id, found in self._ask_signal_source(source, day).items():
                for code, count, words in found:
                    points, most = weights.get(code, (0, 1))
                    if points and count > 0:
                        row = (code, points * min(count, most), words)
                        result[subscription_id].append(row)
        return result

    def _get_renewal_signal_sources(self) -> list[str]:
        """Return the methods that report signals; the hook other modules extend.

        Each is called as ``subscriptions.method(day)`` with all rights and returns
        ``{subscription id: [(code, count, words)]}``. One that fails is left out.
        """
        return [
            "_renewal_signal_contract",
            "_renewal_signal_quote",
            "_renewal_signal_overdue",
            "_renewal_signal_payments",
            "_renewal_signal_onboarding",
            "_renewal_signal_escalations",
            "_renewal_signal_account",
        ]

    def _ask_signal_source(self, source: str, day: date) -> dict:
        """Ask one source; when it fails for all, ask it for each on its own.

        :param str source: name of a method, see ``_get_renewal_signal_sources``
        :param date day: day of the forecast
        :return: ``{subscription id: [(code, count, words)]}``, empty when it fails
        """
        try:
            with self.env.cr.savepoint():
                # sudo: the forecast is the same whoever asks for it; the words name no
                # amounts and no documents
                return dict(getattr(self.sudo(), source)(day))
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:  # noqa: BLE001 - a signal never stops the forecast
            if len(self) > 1:
                result = {}
                for subscription in self:
                    result.update(subscription._ask_signal_source(source, day))
                return result
            _logger.warning(
                "Signal %s of %s is left out", source, self.name, exc_info=True
            )
            return {}

    def _spread_signals(self, found: dict) -> dict:
        """Give the signals of an account to its subscriptions.

        :param dict found: lists per (account id, company id)
        :return: lists per subscription id
        """
        result = defaultdict(list)
        for subscription in self:
            account = subscription.commercial_partner_id
            key = (account.id, subscription.company_id.id)
            result[subscription.id] += found.get(key, [])
        return result
