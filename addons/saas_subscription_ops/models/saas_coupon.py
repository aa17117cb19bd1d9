# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools.misc import format_date, formatLang

from ..exceptions import CouponError
from ..row_lock import lock_rows

DISCOUNT_TYPES = [("percent", "Percent"), ("amount", "Amount per period")]
DURATIONS = [
    ("once", "The first period"),
    ("periods", "A number of periods"),
    ("forever", "As long as the subscription runs"),
]


class SaasCoupon(models.Model):
    """A reduction that may be granted to subscriptions a limited number of times.

    What was granted is copied to ``saas.subscription.coupon``: changing a coupon
    changes no running contract.
    """

    _name = "saas.coupon"
    _description = "Coupon"
    _inherit = ["mail.thread"]
    _order = "code, id"
    _rec_name = "code"
    _rec_names_search = ["code", "name"]
    _check_company_auto = True

    code = fields.Char(
        required=True,
        tracking=True,
        copy=False,
        help="What is typed on the quotation. Stored in capital letters.",
    )
    name = fields.Char(
        string="Description",
        required=True,
        translate=True,
        help="What the customer reads on quotation and invoice.",
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        default=lambda self: self.env.company,
        index=True,
        help="Leave empty to accept the coupon in all companies.",
    )
    discount_type = fields.Selection(
        DISCOUNT_TYPES, default="percent", required=True, tracking=True
    )
    value = fields.Float(
        required=True,
        digits="Product Price",
        tracking=True,
        help="Percent off every recurring charge, or money off every billing period "
        "of the plan, never more than is charged.",
    )
    currency_id = fields.Many2one(
        "res.currency",
        help="An amount is taken off in this currency only.",
    )
    duration = fields.Selection(DURATIONS, default="once", required=True, tracking=True)
    periods = fields.Integer(
        string="Number of Periods", default=1, help="Billing periods it is granted for."
    )
    date_from = fields.Date(
        string="Valid From", help="First day it may be granted. Empty: at once."
    )
    date_until = fields.Date(
        string="Valid Until", help="Last day it may be granted. Empty: no limit."
    )
    max_redemptions = fields.Integer(
        string="Times It May Be Granted", help="0: without limit."
    )
    product_ids = fields.Many2many(
        "product.product",
        string="Products",
        domain="[('saas_charge_kind', '=', 'recurring')]",
        check_company=True,
        help="Empty: all recurring products of the subscription.",
    )
    grant_ids = fields.One2many("saas.subscription.coupon", "coupon_id")
    redemption_count = fields.Integer(
        string="Times Granted", compute="_compute_redemption_count"
    )
    is_redeemable = fields.Boolean(
        string="Can Be Granted Today",
        compute="_compute_is_redeemable",
        search="_search_is_redeemable",
    )

    _code_company_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))",
        "Another coupon of this company already uses this code.",
    )
    _value_positive = models.Constraint(
        "CHECK (value > 0)", "A coupon takes off more than nothing: set its value."
    )
    _percent_range = models.Constraint(
        "CHECK (discount_type != 'percent' OR value <= 100)",
        "A coupon can't take off more than 100 percent.",
    )
    _periods_positive = models.Constraint(
        "CHECK (duration != 'periods' OR periods > 0)",
        "Set for how many billing periods the coupon is granted: 1 or more.",
    )
    _redemptions_not_negative = models.Constraint(
        "CHECK (max_redemptions >= 0)",
        "The number of times a coupon may be granted can't be negative. 0: no limit.",
    )
    _validity_ordered = models.Constraint(
        "CHECK (date_from IS NULL OR date_until IS NULL OR date_until >= date_from)",
        "A coupon can't end before it is valid: correct its dates.",
    )

    # ------------------------------------------------------------------
    # Computes and checks
    # ------------------------------------------------------------------
    @api.depends("grant_ids")
    def _compute_redemption_count(self):
        counts = self._get_redemption_counts()
        for coupon in self:
            coupon.redemption_count = counts.get(coupon._origin.id or coupon.id, 0)

    @api.depends("grant_ids", "max_redemptions", "date_from", "date_until", "active")
    def _compute_is_redeemable(self):
        today = fields.Date.context_today(self)
        for coupon in self:
            coupon.is_redeemable = not coupon._get_refusal(today)

    def _search_is_redeemable(self, operator, value):
        if operator != "in":
            return NotImplemented
        today = fields.Date.context_today(self)
        good = self.search([]).filtered(lambda coupon: not coupon._get_refusal(today))
        wanted = True in value
        return [("id", "in" if wanted else "not in", good.ids)]

    @api.depends("code", "name")
    def _compute_display_name(self):
        for coupon in self:
            coupon.display_name = (
                f"{coupon.code} ({coupon.name})" if coupon.name else coupon.code
            )

    @api.constrains("discount_type", "currency_id")
    def _check_currency(self):
        for coupon in self:
            if coupon.discount_type == "amount" and not coupon.currency_id:
                raise ValidationError(
                    self.env._(
                        "Coupon %(code)s takes off an amount: set the currency it is "
                        "meant in.",
                        code=coupon.code,
                    )
                )

    @api.constrains("code")
    def _check_code(self):
        for coupon in self:
            if not coupon.code.strip():
                raise ValidationError(
                    self.env._("A coupon needs a code that can be typed.")
                )

    @api.onchange("discount_type")
    def _onchange_discount_type(self):
        if self.discount_type == "amount" and not self.currency_id:
            self.currency_id = (self.company_id or self.env.company).currency_id
        elif self.discount_type == "percent":
            self.currency_id = False

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._clean_code(vals)
        return super().create(vals_list)

    def write(self, vals):
        vals = dict(vals)
        self._clean_code(vals)
        return super().write(vals)

    def copy_data(self, default=None):
        default = dict(default or {})
        return [
            {"code": self.env._("%(code)s-COPY", code=coupon.code), **vals}
            for coupon, vals in zip(self, super().copy_data(default), strict=True)
        ]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_granted(self):
        # sudo: it was granted or not, whichever company did so
        granted = self.sudo().filtered("grant_ids")
        if granted:
            raise CouponError(
                self.env._(
                    "Granted coupons can't be deleted: %(codes)s. Archive them.",
                    codes=", ".join(granted.mapped("code")),
                )
            )

    @staticmethod
    def _clean_code(vals: dict):
        if vals.get("code"):
            vals["code"] = vals["code"].strip().upper()

    def action_view_grants(self) -> dict:
        """Open the subscriptions the coupon was granted to.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Granted: %(code)s", code=self.code),
            "res_model": "saas.subscription.coupon",
            "view_mode": "list",
            "domain": [("coupon_id", "=", self.id)],
            "context": {"create": False},
        }

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------
    def _get_refusal(self, day: date, company=None, currency=None) -> str:
        """Return why the coupon can't be granted, or an empty text.

        :param date day: day of the grant
        :param company: ``res.company`` of the subscription, if known
        :param currency: ``res.currency`` of the subscription, if known
        :return: one sentence with the cure
        """
        self.ensure_one()
        reasons = (
            self._get_validity_refusal(day),
            self._get_count_refusal(),
            self._get_scope_refusal(company, currency),
        )
        return next(filter(None, reasons), "")

    def _get_validity_refusal(self, day: date) -> str:
        if not self.active:
            return self.env._(
                "Coupon %(code)s is archived: choose another one.", code=self.code
            )
        if self.date_from and day < self.date_from:
            return self.env._(
                "Coupon %(code)s is valid from %(day)s on: choose another one.",
                code=self.code,
                day=format_date(self.env, self.date_from),
            )
        if self.date_until and day > self.date_until:
            return self.env._(
                "Coupon %(code)s expired on %(day)s: remove it or choose another one.",
                code=self.code,
                day=format_date(self.env, self.date_until),
            )
        return ""

    def _get_count_refusal(self) -> str:
        count = self._get_redemption_counts().get(self._origin.id or self.id, 0)
        if self.max_redemptions and count >= self.max_redemptions:
            return self.env._(
                "Coupon %(code)s was granted %(count)s times already, which is its "
                "limit: remove it or choose another one.",
                code=self.code,
                count=self.max_redemptions,
            )
        return ""

    def _get_scope_refusal(self, company, currency) -> str:
        if company and self.company_id and self.company_id != company:
            return self.env._(
                "Coupon %(code)s belongs to %(company)s: choose a coupon of %(own)s.",
                code=self.code,
                # sudo: its name, to be able to say it
                company=self.company_id.sudo().name,
                own=company.name,
            )
        wrong = self.discount_type == "amount" and self.currency_id != currency
        if currency and wrong:
            return self.env._(
                "Coupon %(code)s is an amount in %(currency)s, this is priced in "
                "%(own)s: choose a coupon in %(own)s or one in percent.",
                code=self.code,
                currency=self.currency_id.name,
                own=currency.name,
            )
        return ""

    def _get_redemption_counts(self) -> dict:
        """Return how often each coupon was granted, by id."""
        ids = [coupon._origin.id or coupon.id for coupon in self]
        rows = (
            self.env["saas.subscription.coupon"]
            # sudo: the limit counts the grants of all companies
            .sudo()
            ._read_group([("coupon_id", "in", ids)], ["coupon_id"], ["__count"])
        )
        return {coupon.id: count for coupon, count in rows}

    def _saas_lock(self):
        """Take the row locks; who waited here goes on with fresh numbers or retries.

        See ``row_lock.py``: a second transaction that would grant
        the last piece as well fails with a serialization error and is repeated.
        """
        lock_rows(self)

    def _applies_to(self, product) -> bool:
        """Return whether a product's charges are reduced."""
        self.ensure_one()
        return not self.product_ids or product in self.product_ids

    def _get_label(self) -> str:
        """Return the reduction in words, for example ``10% off for 3 periods``."""
        self.ensure_one()
        return describe_discount(self)


def describe_discount(terms) -> str:
    """Return the words for a reduction of a coupon or of a granted coupon.

    :param terms: one ``saas.coupon`` or ``saas.subscription.coupon``
    :return: text in the language of the environment
    """
    env = terms.env
    if terms.discount_type == "percent":
        off = env._("%(value)s%% off", value=f"{terms.value:g}")
    else:
        amount = formatLang(env, terms.value, currency_obj=terms.currency_id)
        off = env._("%(amount)s off per billing period", amount=amount)
    if terms.duration == "forever":
        return off
    if terms.duration == "once" or terms.periods == 1:
        return env._("%(off)s in the first billing period", off=off)
    return env._(
        "%(off)s in the first %(count)s billing periods", off=off, count=terms.periods
    )
