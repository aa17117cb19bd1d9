# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from .saas_subscription_billing import QUANTITY_DECIMALS, to_decimal


class SaasBillingRunCharge(models.Model):
    """A proposed charge: the preview a person approves, kept as evidence."""

    _name = "saas.billing.run.charge"
    _description = "Proposed Charge"
    _order = "run_line_id, service_start, id"

    run_line_id = fields.Many2one(
        "saas.billing.run.line",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    run_id = fields.Many2one(
        related="run_line_id.run_id", store=True, index=True, precompute=True
    )
    subscription_id = fields.Many2one(
        related="run_line_id.subscription_id", store=True, index=True, precompute=True
    )
    company_id = fields.Many2one(
        related="run_line_id.company_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    name = fields.Text(string="Description", readonly=True)
    line_id = fields.Many2one(
        "saas.subscription.line",
        string="Subscription Line",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
    )
    product_id = fields.Many2one(
        "product.product", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    kind = fields.Selection(
        [
            ("recurring", "Recurring"),
            ("one_time", "One-time"),
            ("usage", "Usage"),
            ("adjustment", "Adjustment"),
            ("credit", "Credit"),
        ],
        required=True,
        readonly=True,
    )
    ref = fields.Char(string="Reference", required=True, readonly=True)
    revision = fields.Integer(readonly=True)
    service_start = fields.Date(readonly=True)
    service_end = fields.Date(readonly=True, help="First day not served.")
    quantity = fields.Float(digits=(20, 6), readonly=True)
    price_unit = fields.Float(digits=(20, 6), readonly=True, aggregator=None)
    amount = fields.Monetary(readonly=True)
    details = fields.Json(readonly=True)

    @api.model
    def _prepare_preview_vals(self, subscription, charge) -> dict:
        """Prepare the preview row of an engine charge.

        :param subscription: ``saas.subscription``
        :param ProposedCharge charge: engine row
        :return: values without the run line
        """
        vals = subscription._prepare_charge_vals(charge)
        names = (
            "line_id",
            "product_id",
            "kind",
            "ref",
            "revision",
            "service_start",
            "service_end",
            "quantity",
            "price_unit",
            "amount",
            "details",
        )
        preview = {name: vals[name] for name in names}
        preview["name"] = subscription._get_charge_label(charge)
        return preview

    def _get_fingerprint(self) -> tuple:
        """Return what must not change between approval and posting."""
        self.ensure_one()
        return (
            self.kind,
            self.service_start,
            self.service_end,
            to_decimal(self.quantity, QUANTITY_DECIMALS),
            to_decimal(self.amount, self.currency_id.decimal_places),
        )

    @api.model
    def _get_engine_fingerprint(self, charge) -> tuple:
        """Return the fingerprint of an engine row, comparable to the stored one.

        :param ProposedCharge charge: engine row
        """
        # Through float, as the stored row went.
        return (
            charge.kind,
            charge.service_start,
            charge.service_end,
            to_decimal(float(charge.quantity), QUANTITY_DECIMALS),
            charge.amount,
        )
