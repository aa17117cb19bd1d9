# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The border between subscription records and the billing engine."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from odoo import models
from odoo.tools.misc import format_date, formatLang

from ..engine.coupon import CouponTerms
from ..engine.errors import EngineError
from ..engine.ledger import BookedCharge, ProposedCharge, base_kind, difference
from ..engine.money import round_decimals
from ..engine.period import Recurrence, periods
from ..engine.proposal import LineTerms, PlanTerms, propose
from ..engine.service import Pause, ServiceCalendar
from ..exceptions import BillingError

QUANTITY_DECIMALS = 6
# What a number field gives back whatever its size: Odoo rounds in binary.
QUANTITY_DIGITS = 14


def to_decimal(number: float, decimals: int | None = None) -> Decimal:
    """Convert a stored number to an exact decimal.

    :param float number: value read from a field with known digits
    :param int decimals: places to round to; default the shortest exact text
    :return: Decimal, never a binary expansion
    """
    exact = Decimal(repr(float(number)))
    return exact if decimals is None else round_decimals(exact, decimals)


def to_stored(quantity: Decimal) -> Decimal:
    """Round a quantity to what the ledger gives back when it is read again.

    :param Decimal quantity: exact quantity
    :return: Decimal with at most 6 places and 14 significant digits, half up
    """
    whole = quantity.adjusted() + 1 if quantity else 0
    return round_decimals(quantity, min(QUANTITY_DECIMALS, QUANTITY_DIGITS - whole))


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Proposed
    # ------------------------------------------------------------------
    def _get_proposed_charges(self, date_cutoff: date) -> list[ProposedCharge]:
        """Return everything that is due up to a cut-off, since the beginning.

        Extend it to add charges of another source, for example rated usage: call
        ``super()`` and append rows with their own deterministic ``ref``.

        :param date date_cutoff: exclusive; advance charges whose service starts before
            it and arrears charges whose service ends on or before it
        :return: engine rows, amounts rounded to the subscription currency
        :raise BillingError: terms the engine refuses
        """
        self.ensure_one()
        if self.state == "draft":
            return []
        try:
            return propose(
                self._get_plan_terms(),
                self._get_line_terms(),
                date_cutoff,
                self._get_coupon_terms(
                    [(line.id, line.product_id) for line in self.line_ids]
                ),
            )
        except EngineError as error:
            raise BillingError(
                self.env._(
                    "%(name)s can't be priced: %(reason)s. Correct its plan or lines "
                    "and compute again.",
                    name=self.name,
                    reason=error,
                )
            ) from error

    def _get_plan_terms(self, pauses: tuple[Pause, ...] | None = None) -> PlanTerms:
        """Return the calendar and money terms as the engine knows them.

        :param pauses: default those of the confirmed amendments
        """
        self.ensure_one()
        plan = self.plan_id
        return PlanTerms(
            anchor=self.anchor_date,
            recurrence=Recurrence(plan.recurrence_unit, plan.recurrence_count),
            alignment=plan.alignment,
            proration=plan.proration_policy,
            rounding=to_decimal(self.currency_id.rounding),
            tz=self.tz,
            start=self.trial_end or self.date_start,
            pauses=self._get_pauses() if pauses is None else pauses,
            grace_days=plan.grace_days,
        )

    def _get_line_terms(self) -> list[LineTerms]:
        return [
            line._get_terms()
            for line in self.line_ids
            if line.kind in ("recurring", "one_time")
        ]

    def _get_coupon_terms(self, lines) -> list[CouponTerms]:
        """Return the granted coupons.

        :param list lines: (line id, product) pairs they may reduce
        :return: engine terms, in the order they were granted
        """
        return [
            CouponTerms(
                coupon_id=grant.id,
                discount_type=grant.discount_type,
                value=to_decimal(grant.value),
                date_start=grant.date_start,
                duration=grant.duration,
                periods=grant.periods,
                line_ids=frozenset(
                    key for key, product in lines if product in grant.product_ids
                )
                if grant.product_ids
                else None,
                date_end=grant.date_end or None,
            )
            for grant in self.coupon_ids.sorted(lambda g: (g.date_start, g.id))
        ]

    def _get_line_end(self, line) -> date | None:
        """Return the first day a line is not served, also by its subscription."""
        ends = [end for end in (line.date_end, self.date_end) if end]
        return min(ends) if ends else None

    def _get_grid_periods(self, start: date, until: date):
        """Yield the periods of the plan that begin before a day, without gaps.

        Days of a pause that extends belong to the period it lengthens.

        :param date start: first day, where the first period is cut
        :param date until: exclusive bound on the start of a period
        :return: (start, end, days of a whole period) of real dates; the end is None
            while a pause that goes on keeps it open
        """
        self.ensure_one()
        terms = self._get_plan_terms()
        calendar = ServiceCalendar(terms.pauses)
        for period in periods(
            terms.anchor,
            terms.recurrence,
            calendar.served(start),
            max(calendar.served(until), calendar.served(start) + timedelta(days=1)),
            terms.alignment,
        ):
            begins = calendar.real_end(period.start)
            if begins is None or begins >= until:
                return
            days = (period.full_end - period.full_start).days
            yield max(begins, start), calendar.real_end(period.full_end), days

    # ------------------------------------------------------------------
    # Minus booked
    # ------------------------------------------------------------------
    def _get_unbooked_charges(self, date_cutoff: date) -> list[ProposedCharge]:
        """Return what has to be booked so that the ledger equals what is due.

        :param date date_cutoff: exclusive, see ``_get_proposed_charges``
        :return: new charges and adjustments; nothing when all is booked
        :raise BillingError: terms the engine refuses
        """
        self.ensure_one()
        proposed = self._get_proposed_charges(date_cutoff)
        booked = self._get_booked_charges()
        held = self._get_held_refs(proposed, booked, date_cutoff)
        booked = [charge for charge in booked if charge.ref not in held]
        proposed = self._set_stored_quantities(
            [charge for charge in proposed if charge.ref not in held], booked
        )
        try:
            due = difference(proposed, booked, date_cutoff, self.plan_id.grace_days)
        except EngineError as error:
            raise BillingError(
                self.env._(
                    "%(name)s: the charges due don't fit the ledger: %(reason)s.",
                    name=self.name,
                    reason=error,
                )
            ) from error
        return [replace(charge, quantity=to_stored(charge.quantity)) for charge in due]

    def _get_held_refs(
        self,
        proposed: list[ProposedCharge],
        booked: list[BookedCharge],
        date_cutoff: date,
    ) -> set[str]:
        """Hook: return the refs that are neither booked nor corrected for now.

        :param list proposed: all that is due, see ``_get_proposed_charges``
        :param list booked: the ledger
        :param date date_cutoff: exclusive
        :return: refs left out on both sides; none by default
        """
        self.ensure_one()
        return set()

    def _set_stored_quantities(self, proposed: list, booked: list) -> list:
        """Return the proposal with quantities as the ledger can hold them.

        A finer one would look changed for ever. Where the bookings of a ref add up to
        the quantity, but for what is lost in storing them, they stand.
        """
        totals = defaultdict(Decimal)
        for charge in booked:
            totals[charge.ref] += charge.quantity
        result = []
        for charge in proposed:
            quantity = to_stored(charge.quantity)
            if charge.ref in totals and to_stored(totals[charge.ref]) == quantity:
                quantity = totals[charge.ref]
            result.append(replace(charge, quantity=quantity))
        return result

    def _get_booked_charges(self) -> list[BookedCharge]:
        self.ensure_one()
        decimals = self.currency_id.decimal_places
        # sudo: the difference must see the whole ledger, whoever computes it
        return [
            BookedCharge(
                ref=charge.ref,
                amount=to_decimal(charge.amount, decimals),
                quantity=to_stored(to_decimal(charge.quantity)),
                revision=charge.revision,
                service_start=charge.service_start,
                service_end=charge.service_end,
                kind=charge.base_kind or charge.kind,
                line_id=charge.line_id.id or None,
                timing=charge.timing or "advance",
                description=charge.name,
            )
            for charge in self.sudo().charge_ids
        ]

    # ------------------------------------------------------------------
    # In words and values
    # ------------------------------------------------------------------
    def _get_charge_product(self, charge: ProposedCharge):
        """Return the product a charge is invoiced with.

        :param ProposedCharge charge: engine row
        :return: ``product.product``
        """
        self.ensure_one()
        line = self.env["saas.subscription.line"].browse(charge.line_id or [])
        return line.product_id

    def _get_tax_product(self, charge: ProposedCharge):
        """Hook: return the product whose taxes a charge has.

        :param ProposedCharge charge: engine row
        :return: ``product.product``; the one it is invoiced with by default
        """
        return self._get_charge_product(charge)

    def _get_charge_label(self, charge: ProposedCharge) -> str:
        """Describe a charge for the customer: what, when, how much of it, and why.

        :param ProposedCharge charge: engine row
        :return: text of the invoice line, in the language of the environment
        """
        self.ensure_one()
        parts = [charge.description or self.plan_id.name]
        parts.append(self._get_period_label(charge))
        quantity = self._get_quantity_label(charge)
        if quantity:
            parts.append(quantity)
        proration = self._get_proration_label(charge)
        if proration:
            parts.append(proration)
        return "\n".join(parts)

    def _get_period_label(self, charge: ProposedCharge) -> str:
        if charge.kind == "one_time":
            return self.env._(
                "%(plan)s (%(subscription)s), on %(day)s",
                plan=self.plan_id.name,
                subscription=self.name,
                day=format_date(self.env, charge.service_start),
            )
        return self.env._(
            "%(plan)s (%(subscription)s), %(start)s to %(end)s",
            plan=self.plan_id.name,
            subscription=self.name,
            start=format_date(self.env, charge.service_start),
            end=format_date(self.env, charge.service_end - timedelta(days=1)),
        )

    def _get_quantity_label(self, charge: ProposedCharge) -> str:
        if charge.kind not in ("recurring", "one_time"):
            return ""
        return self.env._(
            "%(quantity)s × %(price)s",
            quantity=format(charge.quantity.normalize(), "f"),
            price=formatLang(
                self.env, float(charge.price_unit), currency_obj=self.currency_id
            ),
        )

    def _get_proration_label(self, charge: ProposedCharge) -> str:
        if charge.kind == "adjustment":
            return self._get_adjustment_label(charge)
        if charge.kind == "credit":
            return self._get_credit_label(charge)
        details = charge.details
        if charge.kind != "recurring" or "period_days" not in details:
            return ""
        if self.plan_id.proration_policy == "none":
            return ""
        if details.get("paused_days"):
            return self.env._(
                "Prorated: %(served)s of %(whole)s days, %(paused)s days paused",
                served=details["served_days"],
                whole=details["period_days"],
                paused=details["paused_days"],
            )
        return self.env._(
            "Prorated: %(served)s of %(whole)s days",
            served=details["served_days"],
            whole=details["period_days"],
        )

    def _get_credit_label(self, charge: ProposedCharge) -> str:
        """Hook: say what a credit comes from.

        :param ProposedCharge charge: engine row of kind ``credit``
        :return: text for the customer; empty when there is nothing to say
        """
        if "coupon" not in charge.details:
            return ""
        grant = self.env["saas.subscription.coupon"].browse(charge.details["coupon"])
        return self.env._(
            "Coupon %(code)s: %(reduction)s",
            code=grant.coupon_id.code,
            reduction=grant.label,
        )

    def _is_agreed_credit(self, charge) -> bool:
        """Hook: return whether a reduction was agreed before, so that it is no finding.

        :param charge: engine row or ``saas.billing.run.charge``, also an adjustment of
            a credit
        :return: True for coupons: they reduce this very invoice, nothing is given back
        """
        return charge.ref.startswith("coupon:")

    def _is_prepaid(self, charge) -> bool:
        """Hook: return whether a reduction is a payment made before.

        An invoice that asks for nothing because of it is as it should be.

        :param charge: engine row or ``saas.billing.run.charge``
        :return: False by default
        """
        return False

    def _get_adjustment_label(self, charge: ProposedCharge) -> str:
        return self.env._(
            "Correction: %(before)s was charged, %(after)s is due",
            before=self._format_money(charge.details.get("amount_before", 0)),
            after=self._format_money(charge.details.get("amount_after", 0)),
        )

    def _format_money(self, amount) -> str:
        return formatLang(self.env, float(amount), currency_obj=self.currency_id)

    def _prepare_charge_vals(self, charge: ProposedCharge) -> dict:
        """Prepare a ledger row without the invoice it is shown on.

        :param ProposedCharge charge: engine row
        :return: values of ``saas.charge``
        """
        self.ensure_one()
        base = base_kind(charge.kind, charge.details)
        return {
            "name": charge.description or self.plan_id.name,
            "subscription_id": self.id,
            "line_id": charge.line_id or False,
            "product_id": self._get_charge_product(charge).id,
            "plan_id": self.plan_id.id,
            "partner_id": self.commercial_partner_id.id,
            "company_id": self.company_id.id,
            "currency_id": self.currency_id.id,
            "kind": charge.kind,
            "base_kind": base if base in ("recurring", "one_time", "usage") else False,
            "timing": charge.timing,
            "ref": charge.ref,
            "revision": charge.revision,
            "service_start": charge.service_start,
            "service_end": charge.service_end,
            "quantity": float(charge.quantity),
            "price_unit": float(charge.price_unit),
            "amount": float(charge.amount),
            "details": _to_json(charge.details),
        }

    def _prepare_invoice_line_vals(self, charge: ProposedCharge, sign: int) -> dict:
        """Prepare the invoice line of a charge.

        The natural form, quantity times price less discount, is used where it gives
        the charge's amount to the cent; a prorated one shows one unit of the amount
        and says the rest in words.

        :param ProposedCharge charge: engine row
        :param int sign: 1 on an invoice, -1 on a credit note
        :return: values of ``account.move.line`` without the move
        """
        self.ensure_one()
        line = self.env["saas.subscription.line"].browse(charge.line_id or [])
        amount = float(charge.amount) * sign
        vals = {
            "product_id": self._get_charge_product(charge).id,
            "name": self._get_charge_label(charge),
            "quantity": 1.0,
            "price_unit": amount,
            "start_date": charge.service_start,
            # OCA start/end dates include the last day.
            "end_date": charge.service_end - timedelta(days=1),
        }
        if line.analytic_distribution:
            # Else the analytic distribution models decide.
            vals["analytic_distribution"] = line.analytic_distribution
        if charge.kind in ("recurring", "one_time") and line and sign > 0:
            gross = line.quantity * line.price_unit * (1 - line.discount / 100)
            if not self.currency_id.compare_amounts(gross, amount):
                vals.update(
                    quantity=line.quantity,
                    price_unit=line.price_unit,
                    discount=line.discount,
                    product_uom_id=line.product_uom_id.id,
                )
        return vals


def _to_json(details) -> dict:
    """Make engine details storable: exact numbers and dates become text."""
    if isinstance(details, (Decimal, date)):
        return str(details)
    if hasattr(details, "items"):
        return {str(key): _to_json(value) for key, value in details.items()}
    if isinstance(details, (list, tuple)):
        return [_to_json(value) for value in details]
    return details
