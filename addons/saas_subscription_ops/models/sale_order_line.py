# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal
from fractions import Fraction

from odoo import api, fields, models

from ..engine.money import CONTEXT, discounted
from .saas_plan import MONTHS_PER_UNIT, describe_recurrence
from .saas_subscription_billing import to_decimal
from .sale_order import VALUE_GROUPS


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    saas_charge_kind = fields.Selection(
        related="product_id.saas_charge_kind", string="Subscription Charge"
    )
    saas_is_subscription_line = fields.Boolean(
        compute="_compute_saas_is_subscription_line",
        string="Billed by Subscription",
    )
    saas_continued_line_id = fields.Many2one(
        "saas.subscription.line",
        string="Continues",
        index="btree_not_null",
        # A quotation that forgets what it is about would sell the same once more.
        ondelete="restrict",
        help="Line of the running subscription this one is about: quantity and price "
        "are the new ones, a quantity of 0 takes it out.",
    )
    saas_quoted_terms = fields.Json(
        readonly=True,
        groups=VALUE_GROUPS,
        help="Terms of the continued line when it was quoted. When they are others at "
        "the signature, the customer has signed something else than they see.",
    )
    saas_recurrence_label = fields.Char(
        string="Charged", compute="_compute_saas_recurrence_label"
    )
    saas_problem = fields.Text(
        string="Problem",
        compute="_compute_saas_problem",
        # Who sees the line may know; what it is compared with is not shown.
        compute_sudo=True,
        help="Why the quotation can't become a subscription with this line.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("order_id.saas_plan_id", "product_id.saas_charge_kind", "display_type")
    def _compute_saas_is_subscription_line(self):
        for line in self:
            line.saas_is_subscription_line = bool(
                line.order_id.saas_plan_id
                and line.product_id.saas_charge_kind
                and not line.display_type
            )

    @api.depends(
        "order_id.saas_plan_id",
        "product_id.saas_charge_kind",
        "product_id.saas_timing",
        "product_id.saas_recurrence_unit",
        "product_id.saas_recurrence_count",
        "saas_continued_line_id",
    )
    def _compute_saas_recurrence_label(self):
        for line in self:
            line.saas_recurrence_label = line._saas_describe_charging()

    @api.depends(
        "product_id.saas_charge_kind",
        "product_uom_qty",
        "price_unit",
        "discount",
        "saas_continued_line_id",
        "order_id.saas_plan_id",
        "order_id.saas_start_date",
        "order_id.saas_order_kind",
        "order_id.saas_amended_subscription_id",
    )
    def _compute_saas_problem(self):
        for line in self:
            order = line.order_id
            concerned = order.saas_plan_id and line.saas_is_subscription_line
            problems = order._saas_get_line_problems(line) if concerned else []
            line.saas_problem = "\n".join(problems)

    @api.depends("order_id.saas_plan_id", "product_id.saas_charge_kind")
    def _compute_qty_to_invoice(self):
        # The charge ledger invoices these lines; invoicing them from the order as
        # well would bill the customer twice.
        result = super()._compute_qty_to_invoice()
        self.filtered("saas_is_subscription_line").qty_to_invoice = 0
        return result

    def _compute_discount(self):
        # What the customer has agreed to does not follow today's price list.
        agreed = self.filtered("saas_continued_line_id")
        return super(SaleOrderLine, self - agreed)._compute_discount()

    def _compute_price_unit(self):
        agreed = self.filtered("saas_continued_line_id")
        if self.env.context.get("force_price_recomputation"):
            agreed = self.browse()
        return super(SaleOrderLine, self - agreed)._compute_price_unit()

    # ------------------------------------------------------------------
    # Terms
    # ------------------------------------------------------------------
    def _saas_get_recurrence(self) -> tuple[str, int]:
        """Return unit and count of the line's billing period."""
        self.ensure_one()
        plan = self.order_id.saas_plan_id
        for own in (self.saas_continued_line_id, self.product_id):
            unit, count = _get_own_recurrence(own)
            if unit:
                return unit, count
            if own._name == "saas.subscription.line" and own:
                break
        return plan.recurrence_unit or "month", plan.recurrence_count or 1

    def _saas_get_months_per_period(self) -> Fraction:
        """Return the length of the line's billing period in months."""
        unit, count = self._saas_get_recurrence()
        return MONTHS_PER_UNIT[unit] * count

    def _saas_follows_plan(self) -> bool:
        """Return whether the line has the billing period of the plan."""
        plan = self.order_id.saas_plan_id
        own = (plan.recurrence_unit, plan.recurrence_count)
        return self._saas_get_recurrence() == own

    def _saas_get_timing(self) -> str:
        """Return when the line is charged: ``advance`` or ``arrears``."""
        self.ensure_one()
        if self.product_id.saas_charge_kind == "usage":
            return "arrears"
        return (
            self.saas_continued_line_id.timing
            or self.product_id.saas_timing
            or self.order_id.saas_plan_id.timing
            or "advance"
        )

    def _saas_describe_charging(self) -> str:
        """Return how the line is charged, for example ``per month, in arrears``."""
        self.ensure_one()
        if not self.saas_is_subscription_line:
            return ""
        kind = self.product_id.saas_charge_kind
        if kind == "one_time":
            return self.env._("once")
        if kind == "usage":
            return self.env._("by usage")
        label = describe_recurrence(self.env, *self._saas_get_recurrence())
        if self._saas_get_timing() == "arrears":
            return self.env._("%(period)s, in arrears", period=label)
        return label

    def _saas_get_untaxed(
        self, quantity: float, price_unit: float, discount: float
    ) -> Decimal:
        """Return the untaxed price of a whole period on given terms.

        :param float quantity: units
        :param float price_unit: price of one unit
        :param float discount: percent
        :return: exact product; taxes included in the price are taken out
        """
        self.ensure_one()
        included = self.tax_ids.filtered("price_include")
        if included:
            price = price_unit * (1 - discount / 100)
            taxes = included.compute_all(
                price,
                currency=self.order_id.currency_id,
                quantity=quantity,
                product=self.product_id,
                partner=self.order_id.partner_id,
            )
            return to_decimal(taxes["total_excluded"], 6)
        gross = CONTEXT.multiply(to_decimal(quantity), to_decimal(price_unit))
        return discounted(gross, to_decimal(min(max(discount, 0.0), 100.0)))

    def _prepare_saas_subscription_line_vals(self) -> dict:
        """Prepare the subscription line that continues this order line.

        :return: values of ``saas.subscription.line`` without ``subscription_id``
        """
        self.ensure_one()
        plan = self.order_id.saas_plan_id
        kind = self.product_id.saas_charge_kind
        start = self.order_id.saas_start_date
        if kind == "recurring":
            start = fields.Date.add(start, days=plan.trial_days)
        unit, count = self._saas_get_recurrence()
        own = kind == "recurring" and not self._saas_follows_plan()
        return {
            "name": self.name,
            "sequence": self.sequence,
            "product_id": self.product_id.id,
            "product_uom_id": self.product_uom_id.id,
            "quantity": self.product_uom_qty,
            "price_unit": self.price_unit,
            "discount": self.discount,
            "kind": kind,
            "timing": self._saas_get_timing(),
            "recurrence_unit": unit if own else False,
            "recurrence_count": count if own else 1,
            "analytic_distribution": self.analytic_distribution,
            "date_start": start,
            "sale_line_id": self.id,
        }


def _get_own_recurrence(record) -> tuple[str | None, int]:
    """Return the billing period a product or subscription line has of its own."""
    if record._name == "product.product":
        return record.saas_recurrence_unit, record.saas_recurrence_count
    return record.recurrence_unit, record.recurrence_count
