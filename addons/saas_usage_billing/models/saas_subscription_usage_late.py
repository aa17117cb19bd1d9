# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage that arrives after its period was invoiced, by the policy of the plan."""

from datetime import timedelta
from decimal import Decimal

from odoo import models

from odoo.addons.saas_subscription_ops.models.saas_subscription import LIVE_STATES
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import to_stored


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_unbooked_charges(self, date_cutoff):
        """Leave out corrections of usage the plan does not charge, or not yet."""
        due = super()._get_unbooked_charges(date_cutoff)
        late = [charge for charge in due if self._is_late_usage(charge)]
        late = self._get_unwanted_late_usage(late, date_cutoff)
        refs = {charge.ref for charge in late}
        return [charge for charge in due if charge.ref not in refs]

    def _is_late_usage(self, charge) -> bool:
        """Return whether a charge corrects usage that was invoiced before.

        A price that no longer applies is reversed, and a period that was reversed is
        charged anew: both belong to another charge and are no corrections.

        :param ProposedCharge charge: engine row still to book
        """
        if charge.kind != "adjustment" or charge.details.get("adjusts") != "usage":
            return False
        if "price_id" not in charge.details:
            return False
        before = self._get_late_quantities(charge)[0]
        return bool(before or Decimal(charge.details["amount_before"]))

    def _is_own_document(self, charge) -> bool:
        """Return whether the plan bills a charge on a document of its own.

        :param ProposedCharge charge: engine row still to book
        """
        is_own = self.plan_id.usage_correction == "own_document"
        return is_own and self._is_late_usage(charge)

    def _preview_charges(self, date_cutoff):
        """Leave out what comes on a document of its own: it is no next invoice."""
        charges = super()._preview_charges(date_cutoff)
        return [charge for charge in charges if not self._is_own_document(charge)]

    def _get_late_quantities(self, charge) -> tuple[Decimal, Decimal]:
        """Return the metered quantity before and after a correction.

        :param ProposedCharge charge: see ``_is_late_usage``
        """
        after = to_stored(Decimal(charge.details["quantity"]))
        return to_stored(after - charge.quantity), after

    def _get_unwanted_late_usage(self, late, date_cutoff) -> list:
        """Return the corrections that are not charged, or wait for others.

        :param list late: corrections still to book
        :param date date_cutoff: exclusive
        """
        plan = self.plan_id
        limit = plan.usage_correction_days
        unwanted = [
            charge
            for charge in late
            if limit
            and charge.amount > 0
            and charge.service_end + timedelta(days=limit) < date_cutoff
        ]
        rest = [charge for charge in late if charge not in unwanted]
        # What is left when the subscription ends is settled, however little it is.
        if rest and plan.usage_correction_min and self.state in LIVE_STATES:
            amount = self.currency_id._convert(
                float(sum(charge.amount for charge in rest)),
                self.company_id.currency_id,
                self.company_id,
                date_cutoff,
            )
            if abs(amount) < plan.usage_correction_min:
                unwanted += rest
        return unwanted

    def _record_late_usage(self, charges):
        """Write an event for each correction of a quantity that was booked.

        :param list charges: engine rows that were booked for the subscription
        """
        self.ensure_one()
        for charge in charges:
            if not self._is_late_usage(charge) or not charge.quantity:
                continue
            before, after = self._get_late_quantities(charge)
            self._saas_emit(
                "usage.late",
                {
                    "ref": charge.ref,
                    "service_start": charge.service_start.isoformat(),
                    "service_end": charge.service_end.isoformat(),
                    "quantity_before": format(before.normalize(), "f"),
                    "quantity_after": format(after.normalize(), "f"),
                    "amount": str(charge.amount),
                    "currency": self.currency_id.name,
                },
            )
