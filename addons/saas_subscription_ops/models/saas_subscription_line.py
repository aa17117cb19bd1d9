# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from fractions import Fraction

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..engine.period import Recurrence
from ..engine.proposal import LineTerms
from ..exceptions import LedgerError
from .product_template import CHARGE_KINDS
from .saas_plan import MONTHS_PER_UNIT, RECURRENCE_UNITS
from .saas_subscription_billing import to_decimal

# What a booked charge was computed from; an end date may still be set.
BILLED_FIELDS = {
    "subscription_id",
    "product_id",
    "product_uom_id",
    "quantity",
    "price_unit",
    "discount",
    "kind",
    "timing",
    "date_start",
    "recurrence_unit",
    "recurrence_count",
}


class SaasSubscriptionLine(models.Model):
    """What is charged, from a day to a day: the interval is half open."""

    _name = "saas.subscription.line"
    _description = "Subscription Line"
    _inherit = ["analytic.mixin"]
    _order = "subscription_id, date_start, sequence, id"
    _check_company_auto = True

    subscription_id = fields.Many2one(
        "saas.subscription", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    subscription_state = fields.Selection(
        related="subscription_id.state", string="Subscription State"
    )
    sequence = fields.Integer(default=10)
    name = fields.Text(
        string="Description",
        compute="_compute_name",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
    )
    product_id = fields.Many2one(
        "product.product",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('saas_charge_kind', '!=', False)]",
        check_company=True,
    )
    product_uom_id = fields.Many2one(
        "uom.uom",
        string="Unit",
        compute="_compute_product_uom_id",
        store=True,
        readonly=False,
        precompute=True,
    )
    kind = fields.Selection(
        CHARGE_KINDS,
        required=True,
        compute="_compute_kind",
        store=True,
        readonly=False,
        precompute=True,
        index=True,
    )
    timing = fields.Selection(
        [("advance", "In advance"), ("arrears", "In arrears")],
        required=True,
        compute="_compute_kind",
        store=True,
        readonly=False,
        precompute=True,
    )
    recurrence_unit = fields.Selection(
        RECURRENCE_UNITS,
        string="Billing Period",
        compute="_compute_recurrence",
        store=True,
        readonly=False,
        precompute=True,
        help="Billing period of this line. Empty: that of the plan.",
    )
    recurrence_count = fields.Integer(
        string="Every",
        compute="_compute_recurrence",
        store=True,
        readonly=False,
        precompute=True,
        help="Number of units of the line's own period.",
    )
    quantity = fields.Float(default=1.0, digits="Product Unit")
    price_unit = fields.Float(
        string="Price",
        digits="Product Price",
        help="Price of one unit for one whole billing period, or once. Usage is "
        "priced by its own price list.",
    )
    discount = fields.Float(string="Discount (%)", digits="Discount")
    date_start = fields.Date(
        string="From",
        required=True,
        compute="_compute_date_start",
        store=True,
        readonly=False,
        precompute=True,
    )
    date_end = fields.Date(string="Until", help="First day the line no longer applies.")
    next_boundary = fields.Date(
        compute="_compute_next_boundary",
        store=True,
        index="btree_not_null",
        help="Next day on which this line starts or ends, seen from the "
        "subscription's terms date.",
    )
    sale_line_id = fields.Many2one(
        "sale.order.line",
        string="Sales Order Line",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    root_id = fields.Many2one(
        "saas.subscription.line",
        string="First Line",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="cascade",
        help="What was sold first; amendments continue it in lines of their own.",
    )
    amendment_id = fields.Many2one(
        "saas.amendment",
        string="By Amendment",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    base_date_end = fields.Date(
        readonly=True,
        copy=False,
        help="End of what was sold first, before any amendment.",
    )
    keep_last_period = fields.Boolean(
        string="Last Period in Full",
        readonly=True,
        copy=False,
        help="Nothing is credited for the rest of the period in which the line ends.",
    )
    charge_ids = fields.One2many("saas.charge", "line_id")
    is_billed = fields.Boolean(compute="_compute_is_billed")

    _interval_valid = models.Constraint(
        "CHECK (date_end IS NULL OR date_end >= date_start)",
        "A subscription line can't end before it starts.",
    )
    _quantity_not_negative = models.Constraint(
        "CHECK (quantity >= 0)",
        "The quantity of a subscription line can't be negative.",
    )
    _recurrence_count_positive = models.Constraint(
        "CHECK (recurrence_unit IS NULL OR recurrence_count > 0)",
        "A billing period lasts at least one unit: set 'Every' to 1 or more.",
    )
    _discount_range = models.Constraint(
        "CHECK (discount >= 0 AND discount <= 100)",
        "A discount lies between 0 and 100 percent.",
    )

    @api.depends("product_id")
    def _compute_name(self):
        for line in self:
            line.name = line.name or line.product_id.display_name

    @api.depends("product_id")
    def _compute_product_uom_id(self):
        for line in self:
            line.product_uom_id = line.product_uom_id or line.product_id.uom_id

    @api.depends("product_id")
    def _compute_kind(self):
        for line in self:
            line.kind = line.kind or line.product_id.saas_charge_kind or "recurring"
            line.timing = line.timing or (
                "arrears"
                if line.kind == "usage"
                else line.product_id.saas_timing
                or line.subscription_id.plan_id.timing
                or "advance"
            )

    @api.depends("product_id")
    def _compute_recurrence(self):
        for line in self:
            if line.recurrence_unit:
                continue
            product = line.product_id
            line.recurrence_unit = product.saas_recurrence_unit
            line.recurrence_count = product.saas_recurrence_count or 1

    @api.depends("subscription_id")
    def _compute_date_start(self):
        for line in self:
            line.date_start = (
                line.date_start
                or line.subscription_id.anchor_date
                or line.subscription_id.date_start
            )

    @api.depends("date_start", "date_end", "subscription_id.terms_date")
    def _compute_next_boundary(self):
        for line in self:
            seen = line.subscription_id.terms_date
            ahead = [
                day
                for day in (line.date_start, line.date_end)
                if day and (not seen or day > seen)
            ]
            line.next_boundary = min(ahead, default=False)

    def _compute_is_billed(self):
        billed = {
            line
            for (line,) in self.env["saas.charge"]
            # sudo: a yes or no, for the form; the rows stay hidden
            .sudo()
            ._read_group([("line_id", "in", self.ids)], ["line_id"])
        }
        for line in self:
            line.is_billed = line in billed

    @api.constrains("kind", "timing")
    def _check_usage_in_arrears(self):
        for line in self:
            if line.kind == "usage" and line.timing != "arrears":
                raise ValidationError(
                    self.env._(
                        "%(line)s: usage is charged after it happened. Set the "
                        "timing to In arrears.",
                        line=line.name,
                    )
                )

    @api.constrains("date_start", "date_end", "subscription_id")
    def _check_within_subscription(self):
        for line in self:
            subscription = line.subscription_id
            if line.date_start < subscription.date_start:
                raise ValidationError(
                    self.env._(
                        "%(line)s can't start on %(start)s, before its subscription "
                        "starts on %(subscription)s.",
                        line=line.name,
                        start=line.date_start,
                        subscription=subscription.date_start,
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        for line in lines.filtered(lambda line: not line.root_id):
            # sudo: the chain of a line is no choice of who makes it
            line.sudo().with_context(saas_sync_terms=True).write(
                {"root_id": line.id, "base_date_end": line.date_end}
            )
        return lines

    def write(self, vals):
        if self.subscription_id._is_syncing_terms():
            return super().write(vals)
        terms = (BILLED_FIELDS | {"date_end"}) & vals.keys()
        changed = self.filtered(lambda line: line._has_changes(terms, vals))
        changed._check_not_amended()
        for line in changed:
            if line._has_changes(BILLED_FIELDS & vals.keys(), vals):
                line._check_not_billed()
        if "date_end" in vals:
            vals = {**vals, "base_date_end": vals["date_end"]}
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_billed(self):
        for line in self:
            line._check_not_billed()
        if not self.subscription_id._is_syncing_terms():
            self._check_not_amended()

    def _check_not_amended(self):
        """Refuse to edit terms that amendments were made of.

        :raise LedgerError: an amendment changes one of the lines
        """
        amended = self.filtered("amendment_id") | (
            self.env["saas.amendment.line"]
            # sudo: a yes or no, whatever one may read of amendments
            .sudo()
            .search(
                [
                    ("line_id.root_id", "in", self.root_id.ids),
                    ("amendment_id.state", "in", ("scheduled", "applied")),
                ]
            )
            .line_id
        )
        if amended:
            raise LedgerError(
                self.env._(
                    "“%(line)s” was amended, so its terms are no longer edited by "
                    "hand. Undo the scheduled change or make another amendment.",
                    line=amended[0].name,
                )
            )

    def _has_changes(self, names, vals) -> bool:
        """Return whether writing ``vals`` would really change one of the fields."""
        return any(
            self._fields[name].convert_to_write(self[name], self) != vals[name]
            for name in names
        )

    def _check_not_billed(self):
        """Refuse to touch a line that charges were booked for.

        :raise LedgerError: the line was billed
        """
        if self.is_billed:
            raise LedgerError(
                self.env._(
                    "“%(line)s” was billed already and can't be changed in place. Set "
                    "its end date and add a new line from that date.",
                    line=self.name,
                )
            )

    def _get_terms(self) -> LineTerms:
        """Return the line as the engine prices it."""
        self.ensure_one()
        subscription = self.subscription_id
        end = subscription._get_line_end(self)
        return LineTerms(
            line_id=self.id,
            quantity=to_decimal(self.quantity),
            price_unit=to_decimal(self.price_unit),
            date_start=self.date_start,
            date_end=end,
            kind=self.kind,
            timing=self.timing,
            discount=to_decimal(self.discount),
            description=self.name,
            recurrence=self._get_recurrence(),
            # Who keeps the period wins where line and subscription end together.
            keep_last_period=(end == self.date_end and self.keep_last_period)
            or (end == subscription.date_end and subscription.keep_last_period),
        )

    def _get_recurrence(self) -> Recurrence | None:
        """Return the line's own recurrence, None when it follows the plan."""
        self.ensure_one()
        if not self.recurrence_unit:
            return None
        return Recurrence(self.recurrence_unit, self.recurrence_count)

    def _get_months_per_period(self) -> Fraction:
        """Return the length of the line's billing period in months, exactly."""
        self.ensure_one()
        if not self.recurrence_unit:
            return self.subscription_id.plan_id._get_months_per_period()
        return MONTHS_PER_UNIT[self.recurrence_unit] * self.recurrence_count

    def _is_in_force(self, day: date) -> bool:
        """Return whether the line applies on a day, within its subscription.

        :param date day: calendar date in the subscription's time zone
        """
        self.ensure_one()
        ends = [end for end in (self.date_end, self.subscription_id.date_end) if end]
        return self.date_start <= day and (not ends or day < min(ends))

    def _get_untaxed_price(self) -> float:
        """Return the untaxed price of one period: quantity, price and discount.

        :return: unrounded; taxes included in the price are taken out
        """
        self.ensure_one()
        price = self.price_unit * (1 - self.discount / 100)
        taxes = self.product_id.taxes_id.filtered(
            lambda tax: tax.company_id == self.company_id and tax.price_include
        )
        if not taxes:
            return price * self.quantity
        return taxes.compute_all(
            price,
            currency=self.currency_id,
            quantity=self.quantity,
            product=self.product_id,
            partner=self.subscription_id.partner_id,
        )["total_excluded"]
