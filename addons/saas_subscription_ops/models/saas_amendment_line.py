# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..engine.timeline import Base, Change
from .saas_subscription_billing import to_decimal

ACTIONS = [
    ("set", "Change to"),
    ("add", "Add to quantity"),
    ("end", "Remove"),
    ("start", "New product"),
]


class SaasAmendmentLine(models.Model):
    """What an amendment changes about one thing that was sold.

    ``line_id`` is always the first line of its chain: later ones come and go with the
    amendments that made them.
    """

    _name = "saas.amendment.line"
    _description = "Amendment Line"
    _order = "amendment_id, sequence, id"
    _check_company_auto = True

    amendment_id = fields.Many2one(
        "saas.amendment", required=True, index=True, ondelete="cascade"
    )
    sequence = fields.Integer(default=10)
    subscription_id = fields.Many2one(related="amendment_id.subscription_id")
    company_id = fields.Many2one(
        related="amendment_id.company_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="amendment_id.currency_id")
    action = fields.Selection(ACTIONS, required=True, default="set")
    line_id = fields.Many2one(
        "saas.subscription.line",
        string="What",
        index="btree_not_null",
        ondelete="restrict",
        domain="[('subscription_id', '=', subscription_id), ('root_id', '=', id)]",
        check_company=True,
    )
    product_id = fields.Many2one(
        "product.product",
        ondelete="restrict",
        index="btree_not_null",
        domain="[('saas_charge_kind', '!=', False)]",
        check_company=True,
        help="New product. Empty: the product stays.",
    )
    name = fields.Char(string="Description")
    quantity_before = fields.Float(
        compute="_compute_before", digits="Product Unit", string="Quantity Now"
    )
    price_before = fields.Float(
        compute="_compute_before", digits="Product Price", string="Price Now"
    )
    # Only what changes is part of the amendment: an earlier or later change of another
    # term must not be overruled by a value that was merely shown.
    has_quantity = fields.Boolean(
        compute="_compute_has_terms", store=True, readonly=False, precompute=True
    )
    has_price = fields.Boolean(
        compute="_compute_has_terms", store=True, readonly=False, precompute=True
    )
    has_discount = fields.Boolean(
        compute="_compute_has_terms", store=True, readonly=False, precompute=True
    )
    quantity = fields.Float(
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        digits="Product Unit",
        help="New quantity; how many more (or less) when adding.",
    )
    price_unit = fields.Float(
        string="Price",
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        digits="Product Price",
        help="New price of one unit for one whole billing period.",
    )
    discount = fields.Float(
        string="Discount (%)",
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        digits="Discount",
    )

    _discount_range = models.Constraint(
        "CHECK (discount >= 0 AND discount <= 100)",
        "A discount lies between 0 and 100 percent.",
    )

    # ------------------------------------------------------------------
    # Computes and checks
    # ------------------------------------------------------------------
    @api.depends("line_id", "amendment_id.date_effective")
    def _compute_before(self):
        for line in self:
            current = line._get_current_line()
            line.quantity_before = current.quantity
            line.price_before = current.price_unit

    @api.depends("action", "product_id", "quantity", "price_unit", "discount")
    def _compute_has_terms(self):
        for line in self:
            current = line._get_current_line()
            is_new = line.action == "start" or (
                line.product_id and line.product_id != current.product_id
            )
            is_set = line.action == "set"
            line.has_quantity = line.action in ("add", "start") or (
                is_set and line.quantity != current.quantity
            )
            line.has_price = is_new or (
                is_set and line.price_unit != current.price_unit
            )
            line.has_discount = is_new or (is_set and line.discount != current.discount)

    @api.depends("line_id", "product_id", "action", "amendment_id.date_effective")
    def _compute_terms(self):
        for line in self:
            current = line._get_current_line()
            if line.action == "set":
                line.quantity = line.quantity or current.quantity
                if line.product_id and line.product_id != current.product_id:
                    line.price_unit = line._get_list_price()
                    line.discount = 0.0
                else:
                    line.price_unit = line.price_unit or current.price_unit
                    line.discount = line.discount or current.discount
            elif line.action == "start":
                line.quantity = line.quantity or 1.0
                line.price_unit = line.price_unit or line._get_list_price()
                line.discount = line.discount or 0.0
            elif line.action == "add":
                line.quantity = line.quantity or 0.0
                line.price_unit = 0.0
                line.discount = 0.0
            else:
                line.quantity = line.price_unit = line.discount = 0.0

    def _get_current_line(self):
        """Return the line of the chain in force when the amendment takes effect."""
        self.ensure_one()
        day = self.amendment_id.date_effective
        chain = self.subscription_id.line_ids.filtered(
            lambda line: line.root_id == self.line_id.root_id
        )
        alive = chain.filtered(
            lambda line: (
                day
                and line.date_start <= day
                and not (line.date_end and line.date_end <= day)
            )
        )
        return (alive or self.line_id)[:1]

    def _get_list_price(self) -> float:
        """Return the price of the product on the subscription's price list."""
        self.ensure_one()
        product = self.product_id
        if not product:
            return 0.0
        subscription = self.subscription_id
        day = self.amendment_id.date_effective
        if subscription.pricelist_id:
            return subscription.pricelist_id._get_product_price(
                product, self.quantity or 1.0, date=day
            )
        return product.currency_id._convert(
            product.lst_price,
            subscription.currency_id,
            subscription.company_id,
            day or fields.Date.context_today(self),
        )

    @api.constrains("action", "line_id", "product_id", "quantity", "amendment_id")
    def _check_action(self):
        for line in self:
            problem = line._get_problem()
            if problem:
                raise ValidationError(problem)

    def _get_problem(self) -> str | None:
        """Return what is missing or wrong in the row itself, with the cure."""
        if self.action == "start":
            if not self.product_id:
                return self.env._("Choose the product that is new.")
            if self.quantity <= 0:
                return self.env._(
                    "%(product)s: a new product needs a quantity above zero.",
                    product=self.product_id.display_name,
                )
            return None
        if not self.line_id:
            return self.env._("Choose which line of the subscription changes.")
        if self.line_id.subscription_id != self.subscription_id:
            return self.env._(
                "“%(line)s” belongs to another subscription.", line=self.line_id.name
            )
        if self.action == "set" and self.quantity < 0:
            return self.env._(
                "%(line)s: the quantity can't be negative. Use Remove to end it.",
                line=self.line_id.name,
            )
        return self._get_product_problem()

    def _get_product_problem(self) -> str | None:
        product, line = self.product_id, self.line_id
        if self.action != "set" or not product or product == line.product_id:
            return None
        unit = product.saas_recurrence_unit or False
        count = product.saas_recurrence_count if unit else line.recurrence_count
        if product.saas_charge_kind != line.kind or (unit, count) != (
            line.recurrence_unit,
            line.recurrence_count,
        ):
            return self.env._(
                "%(product)s is charged in another way or rhythm than %(line)s. Remove "
                "that line and add %(product)s as a new product.",
                product=product.display_name,
                line=line.name,
            )
        return None

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("line_id"):
                line = self.env["saas.subscription.line"].browse(vals["line_id"])
                # Any line of a chain may be named, its first one is kept.
                vals["line_id"] = line.root_id.id or line.id
        lines = super().create(vals_list)
        if not self.env.su:
            lines.amendment_id._check_editable()
        return lines

    def write(self, vals):
        if not self.env.su:
            self.amendment_id._check_editable()
        result = super().write(vals)
        if not self.env.su and "amendment_id" in vals:
            self.amendment_id._check_editable()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_confirmed(self):
        self.amendment_id._check_editable()

    # ------------------------------------------------------------------
    # Engine
    # ------------------------------------------------------------------
    def _get_changes(self, days: dict) -> list[Change]:
        """Return the rows as dated changes; new products are bases, not changes.

        :param dict days: effective days that differ from those of the amendments
        """
        changes = []
        for line in self.filtered(lambda line: line.action != "start"):
            if line._is_untouched():
                continue
            amendment = line.amendment_id
            changes.append(
                Change(
                    root=line.line_id.root_id.id,
                    day=amendment._get_effective_day(days),
                    action=line.action,
                    values=line._get_changed_values(),
                    sequence=amendment._get_sequence(),
                    key=amendment._origin.id,
                    keep_last_period=line.action == "end" and not amendment.credit,
                )
            )
        return changes

    def _is_untouched(self) -> bool:
        """Return whether the row was shown but nothing in it was changed."""
        self.ensure_one()
        return (
            self.action == "set"
            and not (self.has_quantity or self.has_price or self.has_discount)
            and (not self.name or self.name == self.line_id.name)
        )

    def _get_changed_values(self) -> dict:
        self.ensure_one()
        if self.action == "add":
            return {"quantity": to_decimal(self.quantity)}
        if self.action == "end":
            return {}
        current = self.line_id
        values = {}
        if self.has_quantity:
            values["quantity"] = to_decimal(self.quantity)
        if self.has_price:
            values["price_unit"] = to_decimal(self.price_unit)
        if self.has_discount:
            values["discount"] = to_decimal(self.discount)
        if self.product_id:
            # Also the first product is said: it may have been another one meanwhile.
            is_first = self.product_id == current.product_id
            values["product_id"] = self.product_id.id
            values["name"] = self.name or (
                current.name if is_first else self.product_id.display_name
            )
        elif self.name and self.name != current.name:
            values["name"] = self.name
        return values

    def _get_new_bases(self, days: dict) -> list[Base]:
        """Return chains for new products that have no line yet (a preview)."""
        return [
            Base(
                root=f"new:{index}",
                date_start=line.amendment_id._get_effective_day(days),
                values=line._get_start_values(),
            )
            for index, line in enumerate(self)
            if line.action == "start" and not line.line_id
        ]

    def _get_start_values(self) -> dict:
        self.ensure_one()
        probe = self.env["saas.subscription.line"].new(self._prepare_line_vals())
        return probe._get_term_values()

    def _prepare_line_vals(self) -> dict:
        """Prepare the first line of a new chain.

        :return: values of ``saas.subscription.line``
        """
        self.ensure_one()
        return {
            "subscription_id": self.subscription_id._origin.id,
            "amendment_id": self.amendment_id._origin.id,
            "product_id": self.product_id.id,
            "name": self.name or self.product_id.display_name,
            "quantity": self.quantity,
            "price_unit": self.price_unit,
            "discount": self.discount,
            "date_start": self.amendment_id.date_effective,
        }
