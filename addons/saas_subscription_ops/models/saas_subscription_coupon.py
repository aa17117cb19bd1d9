# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import CouponError, LedgerError
from .saas_coupon import DISCOUNT_TYPES, DURATIONS, describe_discount

TERMS = (
    "discount_type",
    "value",
    "currency_id",
    "duration",
    "periods",
    "product_ids",
)


class SaasSubscriptionCoupon(models.Model):
    """A coupon granted to a subscription, with the terms of that day."""

    _name = "saas.subscription.coupon"
    _description = "Granted Coupon"
    _order = "subscription_id, date_start, id"
    _check_company_auto = True

    subscription_id = fields.Many2one(
        "saas.subscription", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    coupon_id = fields.Many2one(
        "saas.coupon", required=True, index=True, ondelete="restrict"
    )
    order_id = fields.Many2one(
        "sale.order",
        string="Sales Order",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    name = fields.Char(related="coupon_id.name")
    date_start = fields.Date(
        string="From",
        required=True,
        help="Billing periods that begin on or after this day are reduced.",
    )
    discount_type = fields.Selection(DISCOUNT_TYPES, required=True)
    value = fields.Float(required=True, digits="Product Price")
    currency_id = fields.Many2one("res.currency")
    duration = fields.Selection(DURATIONS, required=True)
    periods = fields.Integer(string="Number of Periods", default=1)
    product_ids = fields.Many2many("product.product", string="Products")
    label = fields.Char(string="Reduction", compute="_compute_label")

    _coupon_once = models.UniqueIndex(
        "(subscription_id, coupon_id)",
        "This subscription has that coupon already.",
    )

    @api.depends("discount_type", "value", "currency_id", "duration", "periods")
    def _compute_label(self):
        for grant in self:
            grant.label = describe_discount(grant) if grant.discount_type else ""

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        coupons = self.env["saas.coupon"].browse(
            {vals["coupon_id"] for vals in vals_list if vals.get("coupon_id")}
        )
        # sudo: granting is counted, whoever may grant need not edit coupons
        coupons.sudo()._saas_lock()
        grants = self.browse()
        for vals in vals_list:
            # One after the other: each of them uses up one redemption.
            grants += super().create([self._prepare_granted_vals(vals)])
        return grants

    def write(self, vals):
        if {*TERMS, "subscription_id", "coupon_id", "date_start"} & vals.keys():
            self._check_unused()
        if "product_ids" in vals:
            # sudo: a mark is a proof about the terms, and these are others now. The
            # products of a grant are the one term it does not look at.
            self.env["saas.billing.mark"].sudo().search(
                [("subscription_id", "in", self.subscription_id.ids)]
            ).unlink()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        self._check_unused()

    @api.model
    def _prepare_granted_vals(self, vals: dict) -> dict:
        """Complete the values of a grant with the terms of its coupon.

        :param dict vals: at least ``subscription_id`` and ``coupon_id``
        :return: values with the terms copied
        :raise CouponError: the coupon can't be granted
        """
        coupon = self.env["saas.coupon"].browse(vals.get("coupon_id"))
        subscription = self.env["saas.subscription"].browse(vals["subscription_id"])
        day = vals.pop("date_granted", None) or fields.Date.context_today(self)
        refusal = coupon._get_refusal(
            day, subscription.company_id, subscription.currency_id
        )
        if refusal:
            raise CouponError(refusal)
        terms = {
            "discount_type": coupon.discount_type,
            "value": coupon.value,
            "currency_id": coupon.currency_id.id,
            "duration": coupon.duration,
            "periods": coupon.periods,
            "product_ids": [fields.Command.set(coupon.product_ids.ids)],
            "date_start": subscription.anchor_date or subscription.date_start,
        }
        return {**terms, **vals}

    def _check_unused(self):
        """Refuse to touch a grant that charges were reduced by.

        :raise LedgerError: a charge of it is in the ledger
        """
        charges = self.env["saas.charge"]
        for grant in self:
            # sudo: a yes or no, whatever one may read of the ledger
            used = charges.sudo().search_count(
                [
                    ("subscription_id", "=", grant.subscription_id.id),
                    ("ref", "=like", f"coupon:{grant.id}:%"),
                ],
                limit=1,
            )
            if used:
                raise LedgerError(
                    self.env._(
                        "Coupon %(code)s has reduced charges of %(subscription)s "
                        "already and can't be changed.",
                        code=grant.coupon_id.code,
                        subscription=grant.subscription_id.name,
                    )
                )
