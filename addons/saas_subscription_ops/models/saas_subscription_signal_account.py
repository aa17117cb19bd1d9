# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Signals of the account: onboarding, escalations, standing."""

from datetime import date, datetime, time, timedelta

from odoo import models

ESCALATION_DAYS = 90


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _renewal_signal_onboarding(self, day: date) -> dict:
        """Report onboarding that is not finished, or late.

        :param date day: day of the forecast
        """
        projects = self.env["project.project"].search(
            [
                ("saas_subscription_id", "in", self.ids),
                ("is_template", "=", False),
                ("saas_live_on", "=", False),
                ("saas_is_cancelled", "=", False),
            ]
        )
        result = {}
        for subscription, running in projects.grouped("saas_subscription_id").items():
            if "late" in running.mapped("saas_health"):
                words = self.env._("Onboarding is late")
                result[subscription.id] = [("onboarding_late", 1, words)]
            else:
                words = self.env._("Onboarding is not finished")
                result[subscription.id] = [("onboarding_open", 1, words)]
        return result

    def _renewal_signal_escalations(self, day: date) -> dict:
        """Report tickets that were escalated lately, as the event ledger knows them.

        :param date day: day of the forecast
        """
        midnight = datetime.combine(day, time.min)
        rows = self.env["saas.event"]._read_group(
            [
                ("name", "=", "ticket.escalated"),
                ("account_id", "in", self.commercial_partner_id.ids),
                ("company_id", "in", self.company_id.ids),
                ("occurred_at", ">=", midnight - timedelta(days=ESCALATION_DAYS)),
                ("occurred_at", "<", midnight + timedelta(days=1)),
            ],
            ["account_id", "company_id"],
            ["res_id:count_distinct"],
        )
        found = {}
        for account, company, count in rows:
            words = self.env._(
                "%(count)s tickets escalated in the last %(days)s days",
                count=count,
                days=ESCALATION_DAYS,
            )
            if count == 1:
                words = self.env._(
                    "A ticket was escalated in the last %(days)s days",
                    days=ESCALATION_DAYS,
                )
            found[account.id, company.id] = [("escalation", count, words)]
        return self._spread_signals(found)

    def _renewal_signal_account(self, day: date) -> dict:
        """Report the standing and the life cycle of the account.

        :param date day: day of the forecast
        """
        standings = {
            "grace": self.env._("The account is in a grace period"),
            "hold": self.env._("The account is on hold"),
            "closed": self.env._("The account is closed"),
        }
        result = {}
        for subscription in self:
            account = subscription.commercial_partner_id
            found = []
            if account.saas_standing in standings:
                code = f"standing_{account.saas_standing}"
                found.append((code, 1, standings[account.saas_standing]))
            if account.saas_lifecycle == "at_risk":
                found.append(("at_risk", 1, self.env._("The account is at risk")))
            result[subscription.id] = found
        return result
