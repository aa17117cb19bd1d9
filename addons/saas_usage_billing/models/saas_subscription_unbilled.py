# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage that is not billed yet, for wallets that will pay for it."""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from odoo import models

from odoo.addons.saas_subscription_ops.engine.period import local_day

from .saas_subscription_wallet import is_usage


class Unbilled(NamedTuple):
    """Rated usage that is not booked; ``ref`` is None while its period is running."""

    line_id: int
    ref: str | None
    amount: Decimal
    service: tuple[date, date]


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _has_unbilled_usage(self, until: date, today: date) -> bool:
        """Return whether usage of services that begin before a day is still to bill.

        :param date until: exclusive
        :param date today: what is due by now counts when it is not booked, what is due
            later always does
        :raise BillingError: terms the engine refuses
        """
        self.ensure_one()
        periods = self._get_usage_periods(until, running=True)
        if not periods:
            return False
        tomorrow = today + timedelta(days=1)
        grace = timedelta(days=self.plan_id.grace_days)
        if any(period.end + grace > tomorrow for period in periods):
            return True
        holds = self._get_usage_holds()
        if any(holds._covers(one.meter_id, one.start, one.end) for one in periods):
            return True
        return any(
            is_usage(row) and row.service_start < until
            for row in self._get_unbooked_charges(tomorrow)
        )

    def _get_unbilled_usage(self, now) -> list:
        """Return rated usage that is not booked, also of the running period.

        :param now: aware UTC datetime
        :return: list of ``Unbilled`` with amounts above zero
        """
        self.ensure_one()
        if not self._get_usage_lines():
            return []
        # Periods that wait for their days of grace have ended, too.
        days = timedelta(days=1 + self.plan_id.grace_days)
        due = self._get_unbooked_charges(local_day(now, self.tz) + days)
        rows = [
            Unbilled(
                row.line_id, row.ref, row.amount, (row.service_start, row.service_end)
            )
            for row in due
            if is_usage(row)
        ]
        for row in self._get_current_usage(now):
            period = row["period"]
            if row["rated"]:
                service = period.start, period.end
                amount = row["rated"].amount
                rows.append(Unbilled(period.line_id, None, amount, service))
        return [row for row in rows if row.amount > 0]
