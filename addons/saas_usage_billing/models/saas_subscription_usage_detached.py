# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage of months whose events are detached: it counts as it is booked."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from odoo import api, models

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge
from odoo.addons.saas_subscription_ops.engine.period import day_start
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import to_stored

from ..engine.meter import Measured
from .saas_subscription_usage_periods import CACHE, to_naive


class SaasSubscription(models.Model):
    """A month is detached when all that touches it is booked, see its model.

    From then on what is booked is the answer: to the difference, to commitments and to
    tiers of a contract year that count it.
    """

    _inherit = "saas.subscription"

    def _get_proposed_charges(self, date_cutoff):
        """Propose what is booked of detached months, so that it stays."""
        proposed = super()._get_proposed_charges(date_cutoff)
        booked = self._get_detached_usage()
        return proposed + [self._propose_booked(rows) for rows in booked.values()]

    def _propose_period(self, period, history, bounds):
        """Rate nothing that is detached: it is proposed as it is booked."""
        if not self._is_detached(period.window.start):
            yield from super()._propose_period(period, history, bounds)

    @api.model
    def _get_usage_quantities(self, priced, bounds=None):
        """Take the quantities of detached months from the ledger."""
        gone = {
            period: prices
            for period, prices in priced.items()
            if self._is_detached(period.window.start)
        }
        if not gone:
            return super()._get_usage_quantities(priced, bounds)
        kept = {one: prices for one, prices in priced.items() if one not in gone}
        result = super()._get_usage_quantities(kept, bounds)
        for period, prices in gone.items():
            booked = self.browse(period.subscription_id)._get_detached_quantities()
            result[period] = {
                price.id: Measured(
                    booked.get(price._get_charge_ref(period), Decimal(0))
                )
                for price in prices
            } or {0: Measured()}
        return {period: result[period] for period in priced}

    @api.model
    def _is_detached(self, moment) -> bool:
        """Return whether the events of a moment are not in the store any more.

        :param moment: naive UTC datetime
        """
        until = self.env["saas.usage.partition"]._get_detached_until()
        return bool(until and moment < until)

    def _get_detached_usage(self) -> dict:
        """Return what is booked of usage that began in detached months, by ref."""
        self.ensure_one()
        result = defaultdict(list)
        if not self.env["saas.usage.partition"]._get_detached_until():
            return result
        for row in self._get_booked_charges():
            if row.ref.startswith("usage:"):
                first = date.fromisoformat(row.ref.rpartition(":")[2])
                if self._is_detached(to_naive(day_start(first, self.tz))):
                    result[row.ref].append(row)
        return result

    def _get_detached_quantities(self) -> dict:
        """Return the quantities of ``_get_detached_usage``, with all digits there are.

        :return: dict of ref to Decimal
        """
        cache = self.env.cr.cache.setdefault(CACHE, {})
        cache = cache.setdefault("detached_quantities", {})
        if self.id not in cache:
            exact = self._get_exact_quantities()
            cache[self.id] = {
                ref: exact.get((ref, total), total)
                for ref, rows in self._get_detached_usage().items()
                for total in [to_stored(sum(row.quantity for row in rows))]
            }
        return cache[self.id]

    def _get_exact_quantities(self) -> dict:
        """Return the exact quantities of charges by ref and what the ledger holds."""
        # sudo: the difference must see the whole ledger, whoever computes it
        rows = self.sudo().charge_ids.filtered(
            lambda charge: "quantity" in (charge.details or {})
        )
        result = {}
        for charge in rows:
            quantity = Decimal(charge.details["quantity"])
            result[charge.ref, to_stored(quantity)] = quantity
        return result

    def _propose_booked(self, rows) -> ProposedCharge:
        """Return the charge that changes nothing of what is booked under a ref."""
        first = min(rows, key=lambda row: row.revision)
        return ProposedCharge(
            ref=first.ref,
            kind="usage",
            line_id=first.line_id,
            service_start=date.fromisoformat(first.ref.rpartition(":")[2]),
            service_end=first.service_end,
            quantity=sum((row.quantity for row in rows), Decimal(0)),
            amount=sum((row.amount for row in rows), Decimal(0)),
            timing=first.timing,
            description=first.description,
        )
