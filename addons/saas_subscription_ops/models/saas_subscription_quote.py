# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Quotations about a running subscription, and the coupons they grant."""

from odoo import fields, models


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    coupon_ids = fields.One2many(
        "saas.subscription.coupon", "subscription_id", string="Coupons"
    )
