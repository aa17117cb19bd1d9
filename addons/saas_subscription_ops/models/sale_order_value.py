# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a quotation is worth: the border to ``engine/contract_value.py``."""

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from odoo import api, fields, models
from odoo.tools.misc import format_date, formatLang

from ..engine.contract_value import (
    TERM,
    ContractValue,
    PriceStep,
    ValueLine,
    contract_value,
    value_months,
)
from ..engine.coupon import CouponTerms
from ..engine.money import total
from .saas_plan import MONTHS_PER_UNIT, describe_recurrence
from .saas_subscription_billing import to_decimal
from .sale_order import VALUE_GROUPS
from .sale_order_steps import (
    DAYS_PER_MONTH,
    add_months,
    months_between,
    record_key,
)


class SaleOrder(models.Model):
    _inherit = "sale.order"

    saas_recurring_total = fields.Char(
        string="Recurring Total",
        compute="_compute_saas_recurring_total",
        groups=VALUE_GROUPS,
    )
    saas_one_time_total = fields.Monetary(
        string="One-time Fees",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
    )
    saas_mrr = fields.Monetary(
        string="MRR",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
        help="Monthly recurring revenue at the start: untaxed recurring lines, every "
        "recurrence converted to months, less coupons that last longer than one "
        "period. On an amendment or renewal: of the whole subscription afterwards.",
    )
    saas_arr = fields.Monetary(
        string="ARR",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
        help="Annual recurring revenue: twelve times the MRR.",
    )
    saas_tcv = fields.Monetary(
        string="TCV",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
        help="Total contract value: recurring charges over the term with their price "
        "steps, less all coupons, plus one-time fees. Usage is not part of it.",
    )
    saas_mrr_delta = fields.Monetary(
        string="MRR Change",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
        help="What the quotation adds to the MRR; negative for a reduction.",
    )
    saas_tcv_delta = fields.Monetary(
        string="TCV Change",
        compute="_compute_saas_value",
        store=True,
        groups=VALUE_GROUPS,
        help="What the quotation adds to the contract value, against the present "
        "terms over the same time.",
    )
    saas_value_note = fields.Char(
        string="Valued Over", compute="_compute_saas_value_note", groups=VALUE_GROUPS
    )
    saas_value_table = fields.Html(
        string="Year by Year",
        compute="_compute_saas_value_table",
        sanitize=False,
        groups=VALUE_GROUPS,
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends(
        "order_line.price_subtotal",
        "order_line.product_uom_qty",
        "order_line.price_unit",
        "order_line.discount",
        "order_line.tax_ids",
        "order_line.saas_continued_line_id",
        "order_line.product_id.saas_charge_kind",
        "order_line.product_id.saas_recurrence_unit",
        "order_line.product_id.saas_recurrence_count",
        "saas_plan_id.recurrence_unit",
        "saas_plan_id.recurrence_count",
        "saas_plan_id.min_term_months",
        "saas_plan_id.trial_days",
        "saas_order_kind",
        "saas_start_date",
        "saas_term_months",
        "saas_date_term_end",
        "saas_amended_subscription_id",
        "saas_ramp_ids.from_month",
        "saas_ramp_ids.order_line_id",
        "saas_ramp_ids.percent",
        "saas_ramp_ids.quantity",
        "saas_ramp_ids.price_unit",
        "saas_ramp_ids.discount",
        "saas_coupon_id.discount_type",
        "saas_coupon_id.value",
        "saas_coupon_id.duration",
        "saas_coupon_id.periods",
        "saas_coupon_id.product_ids",
        "currency_id",
    )
    def _compute_saas_value(self):
        for order in self:
            signed = order.state == "sale" and order._saas_get_subscription()
            if signed and order.saas_tcv:
                # Signed and delivered: the figures are those of that day.
                order._saas_set_value(*order._saas_get_stored_value())
                continue
            value, before = order._saas_get_contract_values()
            order._saas_set_value(
                value.one_time if value else 0,
                value.mrr if value else 0,
                value.arr if value else 0,
                value.tcv if value else 0,
                value.mrr - (before.mrr if before else 0) if value else 0,
                value.tcv - (before.tcv if before else 0) if value else 0,
            )

    def _saas_get_stored_value(self) -> tuple:
        return (
            self.saas_one_time_total,
            self.saas_mrr,
            self.saas_arr,
            self.saas_tcv,
            self.saas_mrr_delta,
            self.saas_tcv_delta,
        )

    def _saas_set_value(self, one_time, mrr, arr, tcv, mrr_delta, tcv_delta):
        self.saas_one_time_total = float(one_time)
        self.saas_mrr = float(mrr)
        self.saas_arr = float(arr)
        self.saas_tcv = float(tcv)
        self.saas_mrr_delta = float(mrr_delta)
        self.saas_tcv_delta = float(tcv_delta)

    @api.depends(
        "order_line.price_subtotal",
        "order_line.saas_recurrence_label",
        "saas_plan_id",
        "currency_id",
    )
    @api.depends_context("lang")
    def _compute_saas_recurring_total(self):
        for order in self:
            totals = defaultdict(float)
            for line in order._saas_get_recurring_lines().filtered("product_uom_qty"):
                totals[line._saas_get_recurrence()] += line.price_subtotal
            order.saas_recurring_total = " + ".join(
                self.env._(
                    "%(amount)s %(period)s",
                    amount=formatLang(self.env, amount, currency_obj=order.currency_id),
                    period=describe_recurrence(self.env, unit, count),
                )
                for (unit, count), amount in sorted(
                    totals.items(),
                    key=lambda item: MONTHS_PER_UNIT[item[0][0]] * item[0][1],
                )
            )

    @api.depends(
        "saas_plan_id.min_term_months",
        "saas_term_months",
        "saas_date_term_end",
        "saas_order_kind",
        "saas_start_date",
        "saas_amended_subscription_id.term_end",
    )
    @api.depends_context("lang")
    def _compute_saas_value_note(self):
        for order in self:
            order.saas_value_note = order._saas_describe_value_months()

    @api.depends("saas_tcv", "saas_mrr", "saas_ramp_ids", "saas_start_date")
    @api.depends_context("lang")
    def _compute_saas_value_table(self):
        for order in self:
            order.saas_value_table = (
                self.env["ir.qweb"]._render(
                    "saas_subscription_ops.sale_order_value_table", {"doc": order}
                )
                if order.saas_plan_id
                else False
            )

    # ------------------------------------------------------------------
    # Records to engine
    # ------------------------------------------------------------------
    def _saas_get_contract_values(
        self,
    ) -> tuple[ContractValue | None, ContractValue | None]:
        """Return the value of the contract with this quotation, and without it.

        :return: the second is None for a new subscription, both without a plan
        """
        self.ensure_one()
        if not self.saas_plan_id:
            return None, None
        untouched = self._saas_get_untouched_lines()
        lines = [self._saas_get_value_line(ln) for ln in self._saas_get_valued_lines()]
        value = self._saas_value(
            lines + [self._saas_get_running_line(line) for line in untouched],
            self._saas_get_one_time_amount(),
            with_coupon=True,
        )
        before = None
        if self.saas_order_kind != "new":
            running = self._saas_get_continuable_lines()
            current = [self._saas_get_running_line(line) for line in running]
            before = self._saas_value(current, Decimal(0), with_coupon=False)
        return value, before

    def _saas_value(self, lines, one_time: Decimal, with_coupon) -> ContractValue:
        plan = self.saas_plan_id
        free = Fraction(0)
        if self.saas_order_kind == "new":
            free = Fraction(max(plan.trial_days, 0)) / DAYS_PER_MONTH
        coupons = self._saas_get_running_coupons()
        if with_coupon and self.saas_coupon_id:
            coupons.append(self._saas_get_coupon_terms(self.saas_coupon_id, "new"))
        return contract_value(
            lines,
            one_time,
            self._saas_get_value_months()[0],
            coupons=coupons,
            plan_months=plan._get_months_per_period(),
            free_months=free,
            rounding=to_decimal(self.currency_id.rounding or 0.01),
        )

    def _saas_get_value_months(self) -> tuple[Fraction, str]:
        """Return over how many months the quotation is valued, and why."""
        self.ensure_one()
        plan, subscription = self.saas_plan_id, self.saas_amended_subscription_id
        if self.saas_order_kind == "amendment":
            end, start = subscription.term_end, self.saas_start_date
            if end and start and start < end:
                return months_between(start, end), "rest"
            return self._saas_to_months(plan.term_months)
        return self._saas_to_months(max(self.saas_term_months, 0))

    def _saas_to_months(self, term: int) -> tuple[Fraction, str]:
        months, why = value_months(term, max(self.saas_plan_id.min_term_months, 0))
        return Fraction(months), why

    def _saas_describe_value_months(self) -> str:
        if not self.saas_plan_id:
            return ""
        months, why = self._saas_get_value_months()
        count = f"{float(round(months, 1)):g}"
        texts = {
            TERM: self.env._("the term of %(count)s months", count=count),
            "minimum": self.env._(
                "the minimum term of %(count)s months (open ended)", count=count
            ),
            "year": self.env._("%(count)s months (open ended)", count=count),
            "rest": self.env._(
                "the %(count)s months left of the present term", count=count
            ),
        }
        return texts[why]

    def _saas_get_value_line(self, line) -> ValueLine:
        """Return the engine's view of a recurring order line with its steps."""
        return ValueLine(
            line_id=record_key(line),
            steps=tuple(
                PriceStep(
                    Fraction(step.from_month),
                    max(line._saas_get_untaxed(*step[1:]), Decimal(0)),
                )
                for step in self._saas_get_line_steps(line)
            ),
            months_per_period=line._saas_get_months_per_period(),
            of_plan=line._saas_follows_plan(),
        )

    def _saas_get_running_line(self, line) -> ValueLine:
        """Return the engine's view of a running subscription line."""
        plan = self.saas_plan_id
        unit = line.recurrence_unit or plan.recurrence_unit
        count = line.recurrence_count if line.recurrence_unit else plan.recurrence_count
        start = self._saas_get_effective_date()
        segments = [(Fraction(0), line._get_line_on(start) or line)]
        segments += [
            (months_between(start, later.date_start), later)
            for later in line._get_later_segments(start)
        ]
        return ValueLine(
            line_id=f"running:{line.id}",
            steps=tuple(
                PriceStep(month, to_decimal(segment._get_untaxed_price(), 6))
                for month, segment in segments
            ),
            months_per_period=MONTHS_PER_UNIT[unit] * count,
            of_plan=not line.recurrence_unit,
        )

    def _saas_get_running_coupons(self) -> list[CouponTerms]:
        """Return the lasting coupons the amended subscription has already."""
        grants = self.saas_amended_subscription_id.coupon_ids
        start = self.saas_start_date or date.min
        return [
            replace(
                self._saas_get_coupon_terms(grant, grant.id),
                date_end=grant.date_end or None,
            )
            for grant in grants
            if grant.duration == "forever"
            and not (grant.date_end and grant.date_end <= start)
        ]

    def _saas_get_coupon_terms(self, coupon, key) -> CouponTerms:
        """Return the engine's view of a coupon, or of a granted one.

        :param coupon: ``saas.coupon`` or ``saas.subscription.coupon``
        :param key: id of the terms
        """
        line_ids = None
        if coupon.product_ids:
            lines = self._saas_get_recurring_lines().filtered(
                lambda line: line.product_id._origin in coupon.product_ids
            )
            running = self._saas_get_continuable_lines().filtered(
                lambda line: line.product_id in coupon.product_ids
            )
            keys = {record_key(line) for line in lines}
            line_ids = frozenset(keys | {f"running:{line.id}" for line in running})
        return CouponTerms(
            coupon_id=key,
            discount_type=coupon.discount_type,
            value=to_decimal(coupon.value),
            date_start=self.saas_start_date or date.min,
            duration=coupon.duration,
            periods=max(coupon.periods, 1),
            line_ids=line_ids,
        )

    def _saas_get_one_time_amount(self) -> Decimal:
        lines = self._saas_get_subscription_lines()
        return total(
            line._saas_get_untaxed(line.product_uom_qty, line.price_unit, line.discount)
            for line in lines
            if line.product_id.saas_charge_kind == "one_time"
        )

    # ------------------------------------------------------------------
    # For form, PDF and portal
    # ------------------------------------------------------------------
    def _saas_get_year_rows(self) -> list[dict]:
        """Return the contract years for display.

        :return: label, dates, MRR, recurring, one-time and total of each year
        """
        self.ensure_one()
        value = self._saas_get_contract_values()[0]
        return [
            {
                "label": self.env._("Year %(number)s", number=year.number),
                "period": self._saas_describe_months(year.from_month, year.until_month),
                "mrr": float(year.mrr),
                "recurring": float(year.recurring),
                "one_time": float(year.one_time),
                "total": float(year.total),
            }
            for year in (value.years if value else ())
        ]

    def _saas_describe_months(self, first: Fraction, last: Fraction) -> str:
        start = self.saas_start_date
        if not start:
            return self.env._(
                "months %(first)s to %(last)s",
                first=int(first) + 1,
                last=f"{float(round(last, 1)):g}",
            )
        return self.env._(
            "%(first)s to %(last)s",
            first=format_date(self.env, add_months(start, first)),
            last=format_date(
                self.env,
                fields.Date.subtract(add_months(start, last), days=1),
            ),
        )

    def _saas_get_step_rows(self) -> list[dict]:
        """Return the later prices of the lines for display.

        :return: line, day or month, quantity, price and discount of each step
        """
        self.ensure_one()
        rows = []
        for line in self._saas_get_recurring_lines():
            for step in self._saas_get_line_steps(line)[1:]:
                rows.append(
                    {
                        "line": line.product_id.display_name,
                        "from": self._saas_describe_step_start(step.from_month),
                        "quantity": step.quantity,
                        "price_unit": step.price_unit,
                        "discount": step.discount,
                        "charged": line.saas_recurrence_label,
                    }
                )
        return rows

    def _saas_describe_step_start(self, month) -> str:
        if not self.saas_start_date:
            return self.env._("month %(month)s", month=int(month))
        return format_date(self.env, add_months(self.saas_start_date, month))
