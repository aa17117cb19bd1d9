# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Signals of the contract itself: how it renews, who cancelled, what was offered."""

from datetime import date, timedelta

from odoo import models
from odoo.tools.misc import format_date


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _renewal_signal_contract(self, day: date) -> dict:
        """Report how the plan renews, cancellations, and a next term agreed already.

        :param date day: day of the forecast
        """
        return {
            subscription.id: subscription._get_contract_signals(day)
            for subscription in self
        }

    def _get_contract_signals(self, day: date) -> list:
        self.ensure_one()
        result = []
        amendments = self.amendment_ids
        cancels = amendments.filtered(lambda a: a.kind == "cancel")
        scheduled = cancels.filtered(lambda a: a.state == "scheduled")[:1]
        if self.state in ("cancelled", "expired"):
            result.append(("cancelled", 1, self.env._("The subscription has ended")))
        elif scheduled:
            words = self.env._(
                "Cancelled as of %(day)s",
                day=format_date(self.env, scheduled.date_effective),
            )
            result.append(("cancelled", 1, words))
        elif cancels.filtered(lambda a: a.state == "to_approve"):
            words = self.env._("A cancellation waits for approval")
            result.append(("cancel_requested", 1, words))
        else:
            result += self._get_notice_signals(day)
        signed = amendments.filtered(
            lambda a: (
                a.kind == "renewal"
                and a.state in ("scheduled", "to_approve")
                and a.date_effective >= day
            )
        )
        if signed:
            result.append(("renewal_signed", 1, self.env._("Next term is agreed")))
        if self.state == "paused":
            result.append(("paused", 1, self.env._("Paused at present")))
        return result

    def _get_notice_signals(self, day: date) -> list:
        """Report how the term ends unless somebody acts, and whether it is late."""
        if not self.term_end:
            return []
        notice = self.term_end - timedelta(days=self.plan_id.notice_days)
        if self._is_expiring(self.term_end):
            words = self.env._("Nobody signed by the notice day")
            return [("undecided", 1, words)] if notice < day else []
        result = [("auto_renew", 1, self.env._("Renews by itself"))]
        if notice < day:
            words = self.env._("Not cancelled by the notice day")
            result.append(("notice_passed", 1, words))
        return result

    def _renewal_signal_quote(self, day: date) -> dict:
        """Report renewal quotations the customer has.

        :param date day: day of the forecast
        """
        orders = self.env["sale.order"].search(
            [
                ("saas_amended_subscription_id", "in", self.ids),
                ("saas_order_kind", "=", "renewal"),
                ("state", "=", "sent"),
                ("saas_start_date", ">=", day),
            ]
        )
        return {
            subscription.id: [
                (
                    "quote_sent",
                    1,
                    self.env._(
                        "Renewal offered with %(quote)s",
                        quote=", ".join(quotes.mapped("name")),
                    ),
                )
            ]
            for subscription, quotes in orders.grouped(
                "saas_amended_subscription_id"
            ).items()
        }
