# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import defaultdict
from dataclasses import dataclass

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import ormcache

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.entitlement import EntitlementRow

#: Fields that name who is entitled; exactly one is set.
HOLDERS = ("plan_id", "product_id", "subscription_id")


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that is granted in a company: plain values, kept between requests.

    ``features``: (code, kind, meter id or 0) in their order. ``rows``: by (scope, id of
    plan, product or subscription).
    """

    features: tuple[tuple[str, str, int], ...]
    rows: dict[tuple[str, int], tuple[EntitlementRow, ...]]


class SaasEntitlement(models.Model):
    """Who has a feature, and how much of it: a plan, a product, or a subscription.

    What is agreed for a subscription beats what its products bring, and this beats the
    plan; limits of several products add up. ``date_end`` is the first day not granted.
    """

    _name = "saas.entitlement"
    _description = "Entitlement"
    _inherit = ["mail.thread"]
    _order = "feature_id, plan_id, product_id, subscription_id, date_start, id"
    _check_company_auto = True

    feature_id = fields.Many2one(
        "saas.feature",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    kind = fields.Selection(related="feature_id.kind")
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )
    plan_id = fields.Many2one(
        "saas.plan",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    product_id = fields.Many2one(
        "product.product",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        domain="[('saas_charge_kind', '!=', False)]",
        tracking=True,
        help="Every subscription that has this product.",
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
        help="Agreed with this customer: counts instead of plan and products.",
    )
    is_granted = fields.Boolean(
        string="Granted",
        default=True,
        tracking=True,
        help="Off: what plan or products grant is taken away.",
    )
    is_unlimited = fields.Boolean(string="No Limit", tracking=True)
    limit_value = fields.Float(
        string="Limit", digits="Usage Quantity", aggregator=None, tracking=True
    )
    per_quantity = fields.Boolean(
        string="Per Unit",
        tracking=True,
        help="The limit is granted for each unit of the product: 1,000 per seat.",
    )
    text_value = fields.Char(string="Text", tracking=True)
    overage = fields.Selection(
        [("soft", "May Be Exceeded"), ("hard", "Ends Here")],
        string="At the Limit",
        required=True,
        default="hard",
        tracking=True,
        help="What the product should do when the limit is reached.",
    )
    date_start = fields.Date(string="From", tracking=True)
    date_end = fields.Date(
        string="Until", tracking=True, help="First day no longer granted."
    )

    _one_holder = models.Constraint(
        "CHECK (num_nonnulls(plan_id, product_id, subscription_id) = 1)",
        "An entitlement is for a plan, a product or a subscription: choose one.",
    )
    _limit_valid = models.Constraint(
        "CHECK (limit_value >= 0)", "A limit cannot be negative."
    )
    _dates_valid = models.Constraint(
        "CHECK (date_end > date_start)", "An entitlement ends after its first day."
    )

    @api.depends("feature_id", *HOLDERS)
    def _compute_display_name(self):
        for row in self:
            holder = row.plan_id or row.product_id or row.subscription_id
            row.display_name = f"{row.feature_id.name}: {holder.display_name or ''}"

    @api.constrains("per_quantity", "product_id")
    def _check_per_quantity(self):
        for row in self:
            if row.per_quantity and not row.product_id:
                raise ValidationError(
                    self.env._(
                        "%(name)s: only an entitlement of a product can be granted for"
                        " each unit of it.",
                        name=row.display_name,
                    )
                )

    @api.constrains("feature_id", "is_granted", "text_value")
    def _check_text(self):
        for row in self:
            if row.is_granted and row.kind == "text" and not row.text_value:
                raise ValidationError(
                    self.env._(
                        "%(name)s: enter the Text the product is told, or take"
                        " “Granted” away.",
                        name=row.display_name,
                    )
                )

    @api.constrains("feature_id", *HOLDERS, "date_start", "date_end")
    def _check_overlap(self):
        for row in self:
            rivals = self.search(
                [
                    ("id", "!=", row.id),
                    ("feature_id", "=", row.feature_id.id),
                    *((name, "=", row[name].id) for name in HOLDERS),
                ]
            )
            if any(row._overlaps(one) for one in rivals):
                raise ValidationError(
                    self.env._(
                        "%(name)s is there already for these days. End it, or change"
                        " the dates.",
                        name=row.display_name,
                    )
                )

    def _overlaps(self, other):
        """Return whether both are in force on some day."""
        return all(
            not ends.date_end
            or not begins.date_start
            or begins.date_start < ends.date_end
            for ends, begins in ((self, other), (other, self))
        )

    # ------------------------------------------------------------------
    # What requests ask for
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    @api.model
    @ormcache("company_id")
    def _get_definitions(self, company_id):
        """Return all that is granted in a company, read once.

        :param int company_id: id of the company
        :return: ``Definitions``
        """
        # sudo: products ask in the name of the Integration role, which reads nothing
        env = self.sudo().env
        features = env["saas.feature"].search(
            [("company_id", "in", (company_id, False))]
        )
        rows = defaultdict(list)
        for row in env["saas.entitlement"].search(
            [("company_id", "=", company_id), ("feature_id", "in", features.ids)]
        ):
            rows[row._get_holder_key()].append(row._get_terms())
        return Definitions(
            tuple(
                (
                    feature.code,
                    feature.kind,
                    feature.meter_id.id if feature.kind == "metered" else 0,
                )
                for feature in features
            ),
            {key: tuple(own) for key, own in rows.items()},
        )

    def _get_holder_key(self):
        name = next(name for name in HOLDERS if self[name])
        return name.removesuffix("_id"), self[name].id

    def _get_terms(self):
        """Return the row as the engine knows it."""
        self.ensure_one()
        scope, _holder = self._get_holder_key()
        return EntitlementRow(
            self.feature_id.code,
            scope,
            self.is_granted,
            None if self.is_unlimited else to_decimal(self.limit_value),
            self.text_value or "",
            self.overage == "soft",
            self.product_id.id or None,
            self.per_quantity,
            self.date_start or None,
            self.date_end or None,
        )
