# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools.misc import format_date

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
    date_end = fields.Date(
        string="Stops On",
        help="Billing periods that begin on or after this day are not reduced any "
        "more. Empty: as the coupon says.",
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
    _date_end_after_start = models.Constraint(
        "CHECK (date_end >= date_start)",
        "A coupon stops on its first day or later.",
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
        if "date_end" in vals:
            self._check_stop(fields.Date.to_date(vals["date_end"]))
            self._log_stop(fields.Date.to_date(vals["date_end"]))
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

    def _check_stop(self, end):
        """Refuse an end that would take back reductions of the past.

        :param date end: new end, None: no end
        :raise CouponError: the old or new end of a used grant has passed
        """
        today = fields.Date.context_today(self)
        for grant in self.filtered(lambda grant: grant._is_used()):
            ends = [day for day in (grant.date_end, end) if day]
            if any(day < today for day in ends):
                raise CouponError(
                    self.env._(
                        "Coupon %(code)s has reduced charges of %(subscription)s: it "
                        "can be stopped today or later, and what has ended can't be "
                        "changed.",
                        code=grant.coupon_id.code,
                        subscription=grant.subscription_id.name,
                    )
                )

    def _log_stop(self, end):
        for grant in self.filtered(lambda grant: (grant.date_end or None) != end):
            grant.subscription_id._message_log(
                body=self.env._(
                    "Coupon %(code)s stops on %(day)s.",
                    code=grant.coupon_id.code,
                    day=format_date(self.env, end),
                )
                if end
                else self.env._(
                    "Coupon %(code)s has no other end than its own any more.",
                    code=grant.coupon_id.code,
                )
            )

    def _is_used(self) -> bool:
        """Return whether a charge of the grant is in the ledger."""
        self.ensure_one()
        # sudo: a yes or no, whatever one may read of the ledger
        charges = self.env["saas.charge"].sudo()
        return bool(
            charges.search_count(
                [
                    ("subscription_id", "=", self.subscription_id.id),
                    ("ref", "=like", f"coupon:{self.id}:%"),
                ],
                limit=1,
            )
        )

    def _check_unused(self):
        """Refuse to touch a grant that charges were reduced by.

        :raise LedgerError: a charge of it is in the ledger
        """
        for grant in self:
            if grant._is_used():
                raise LedgerError(
                    self.env._(
                        "Coupon %(code)s has reduced charges of %(subscription)s "
                        "already and can't be changed. Set the day it stops on "
                        "instead.",
                        code=grant.coupon_id.code,
                        subscription=grant.subscription_id.name,
                    )
                )
