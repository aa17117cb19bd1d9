# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Signals of the invoices: what is overdue, and how the last year was paid."""

from datetime import date, timedelta

from odoo import models
from odoo.tools import SQL

HISTORY_DAYS = 365
#: A transfer over a weekend is not late.
TOLERANCE_DAYS = 7
LEAST_LATE, LEAST_GOOD = 2, 3


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _renewal_signal_overdue(self, day: date) -> dict:
        """Report invoices of the account that are past their due date.

        :param date day: day of the forecast
        """
        rows = self.env["account.move"]._read_group(
            [
                ("commercial_partner_id", "in", self.commercial_partner_id.ids),
                ("company_id", "in", self.company_id.ids),
                ("move_type", "=", "out_invoice"),
                ("state", "=", "posted"),
                ("payment_state", "in", ("not_paid", "partial")),
                ("invoice_date_due", "<", day),
            ],
            ["commercial_partner_id", "company_id"],
            ["__count", "invoice_date_due:min"],
        )
        found = {}
        for account, company, count, oldest in rows:
            words = self.env._(
                "%(count)s overdue invoices, the oldest for %(days)s days",
                count=count,
                days=(day - oldest).days,
            )
            if count == 1:
                words = self.env._(
                    "An invoice is overdue for %(days)s days", days=(day - oldest).days
                )
            found[account.id, company.id] = [("overdue_invoice", count, words)]
        return self._spread_signals(found)

    def _renewal_signal_payments(self, day: date) -> dict:
        """Report how the invoices of the last year were paid.

        :param date day: day of the forecast
        """
        found = {}
        for account_id, company_id, paid, late in self._read_payment_history(day):
            if paid >= LEAST_LATE and 2 * late >= paid:
                words = self.env._(
                    "%(late)s of %(paid)s invoices of the last year were paid late",
                    late=late,
                    paid=paid,
                )
                found[account_id, company_id] = [("late_payments", 1, words)]
            elif paid >= LEAST_GOOD and not late:
                words = self.env._(
                    "All %(paid)s invoices of the last year were paid in time",
                    paid=paid,
                )
                found[account_id, company_id] = [("paid_in_time", 1, words)]
        return self._spread_signals(found)

    def _read_payment_history(self, day: date) -> list:
        """Count paid and late paid invoices of the accounts.

        :param date day: end of the year that is looked at
        :return: (account id, company id, paid, of them late)
        """
        self.env["account.move"].flush_model()
        self.env["account.partial.reconcile"].flush_model()
        return self.env.execute_query(
            SQL(
                """
                SELECT move.commercial_partner_id, move.company_id, count(*),
                       count(*) FILTER (
                           WHERE paid.day > move.invoice_date_due + %(tolerance)s
                       )
                  FROM account_move move
            CROSS JOIN LATERAL (
                       SELECT max(part.max_date) AS day
                         FROM account_move_line line
                         JOIN account_partial_reconcile part
                           ON part.debit_move_id = line.id
                        WHERE line.move_id = move.id
                       ) paid
                 WHERE move.commercial_partner_id IN %(accounts)s
                   AND move.company_id IN %(companies)s
                   AND move.move_type = 'out_invoice'
                   AND move.state = 'posted'
                   AND move.payment_state IN ('paid', 'in_payment')
                   AND move.invoice_date_due IS NOT NULL
                   AND move.invoice_date > %(start)s
                   AND move.invoice_date <= %(day)s
                   AND paid.day IS NOT NULL
              GROUP BY move.commercial_partner_id, move.company_id
                """,
                tolerance=TOLERANCE_DAYS,
                accounts=tuple(self.commercial_partner_id.ids) or (0,),
                companies=tuple(self.company_id.ids) or (0,),
                start=day - timedelta(days=HISTORY_DAYS),
                day=day,
            )
        )
