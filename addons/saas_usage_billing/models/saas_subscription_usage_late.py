# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage that arrives after its period was invoiced, by the policy of the plan."""

from datetime import timedelta
from decimal import Decimal

from odoo import models

from odoo.addons.saas_subscription_ops.models.saas_subscription import LIVE_STATES
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import to_stored

from .usage_kept import KEPT, KeptUsage


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_unbooked_charges(self, date_cutoff):
        """Leave usage as it is booked where the plan does not correct it, or not yet.

        All that depends on it, a commitment or tiers of a year, counts what is booked.
        """
        kept = {}
        while True:
            record = self.with_context(**{KEPT: KeptUsage(kept)}) if kept else self
            due = super(SaasSubscription, record)._get_unbooked_charges(date_cutoff)
            due = [charge for charge in due if charge.ref not in kept]
            late = [charge for charge in due if self._is_late_usage(charge)]
            unwanted = self._get_unwanted_late_usage(late, date_cutoff)
            unwanted = unwanted or self._get_idle_late_usage(late, due)
            if not unwanted:
                return due
            kept = kept | {
                charge.ref: (
                    self._get_late_quantities(charge)[0],
                    Decimal(charge.details["amount_before"]),
                )
                for charge in unwanted
            }

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

        They are asked for again without these: other corrections may depend on them.

        :param list late: corrections still to book, by service start
        :param date date_cutoff: exclusive
        """
        plan = self.plan_id
        limit = plan.usage_correction_days
        old = [
            charge
            for charge in late
            if limit
            and charge.amount > 0
            and charge.service_end + timedelta(days=limit) < date_cutoff
        ]
        if old:
            return self._get_leading_usage(old)
        # What is left when the subscription ends is settled, however little it is.
        if not late or not plan.usage_correction_min or self.state not in LIVE_STATES:
            return []
        amount = self.currency_id._convert(
            float(sum(charge.amount for charge in late)),
            self.company_id.currency_id,
            self.company_id,
            date_cutoff,
        )
        return late if abs(amount) < plan.usage_correction_min else []

    def _get_idle_late_usage(self, late, due) -> list:
        """Return the corrections that would be alone on a document of nothing.

        Usage within what is free changes quantities only: it waits for the next
        document that asks or gives something.

        :param list late: corrections still to book
        :param list due: all that is, these included
        """
        is_own = self.plan_id.usage_correction == "own_document"
        together = late if is_own else due
        return [] if any(charge.amount for charge in together) else late

    def _get_leading_usage(self, late) -> list:
        """Return the corrections that depend on no other.

        Where tiers count over a year, the first of a price moves those that follow.

        :param list late: corrections still to book, by service start
        """
        # sudo: the policy is the same, whoever may see the price list
        Price = self.env["saas.usage.price"].sudo()
        leading = {}
        for charge in late:
            price = Price.browse(charge.details["price_id"])
            is_yearly = price.tier_period == "contract_year"
            leading.setdefault(price.root_id if is_yearly else charge.ref, charge)
        return list(leading.values())

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
