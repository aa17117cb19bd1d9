# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.threshold import Level

#: Fields that say whose usage is watched, the most specific first.
SCOPES = ("subscription_id", "partner_id", "plan_id")


class SaasUsageThreshold(models.Model):
    """A limit of the usage of a period; who is told when it is reached."""

    _name = "saas.usage.threshold"
    _description = "Usage Threshold"
    _inherit = ["mail.thread"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
        ondelete="restrict",
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    product_tmpl_id = fields.Many2one(
        "product.template",
        string="Usage Product",
        domain=[("saas_meter_id", "!=", False)],
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    meter_id = fields.Many2one(
        "saas.meter",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
        help="Every usage product of the meter.",
    )
    plan_id = fields.Many2one(
        "saas.plan",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Account",
        domain=[("is_company", "=", True), ("parent_id", "=", False)],
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    kind = fields.Selection(
        [
            ("quantity", "Quantity"),
            ("allowance", "% of the included units"),
            ("amount", "Amount"),
        ],
        required=True,
        default="allowance",
        tracking=True,
    )
    value = fields.Float(
        required=True,
        digits="Usage Quantity",
        default=80.0,
        tracking=True,
        aggregator=None,
        help="Units, percent or money in the currency of the company. Other currencies"
        " are converted at the rate of the day.",
    )
    notify_csm = fields.Boolean(
        string="Activity for the CSM", default=True, tracking=True
    )
    notify_customer = fields.Boolean(string="E-mail to the Customer", tracking=True)
    open_upsell = fields.Boolean(string="Upsell Opportunity", tracking=True)
    template_id = fields.Many2one(
        "mail.template",
        string="E-mail Template",
        domain=[("model", "=", "saas.usage.alert")],
        ondelete="set null",
        help="Empty: the shipped one.",
    )
    alert_count = fields.Integer(compute="_compute_alert_count")

    _value_positive = models.Constraint(
        "CHECK (value > 0)", "A threshold is above zero."
    )

    def _compute_alert_count(self):
        counts = dict(
            self.env["saas.usage.alert"]._read_group(
                [("threshold_id", "in", self.ids)], ["threshold_id"], ["__count"]
            )
        )
        for threshold in self:
            threshold.alert_count = counts.get(threshold._origin, 0)

    @api.constrains("product_tmpl_id", "meter_id", "kind")
    def _check_target(self):
        for threshold in self:
            if threshold.product_tmpl_id and threshold.meter_id:
                raise ValidationError(
                    self.env._(
                        "%(name)s: choose a usage product or a meter, not both.",
                        name=threshold.name,
                    )
                )
            if threshold.kind != "amount" and not (
                threshold.product_tmpl_id or threshold.meter_id
            ):
                raise ValidationError(
                    self.env._(
                        "%(name)s: choose the usage product or the meter. Only amounts"
                        " can be of all usage together.",
                        name=threshold.name,
                    )
                )

    @api.constrains("template_id")
    def _check_template(self):
        for threshold in self:
            # sudo: who chooses a template may not read it
            template = threshold.template_id.sudo()
            if template and template.model != "saas.usage.alert":
                raise ValidationError(
                    self.env._(
                        "%(name)s: the template “%(template)s” is not for usage alerts."
                        " Choose one of these, or none for the shipped one.",
                        name=threshold.name,
                        template=template.name,
                    )
                )

    @api.constrains(*SCOPES)
    def _check_scope(self):
        for threshold in self:
            if sum(bool(threshold[name]) for name in SCOPES) > 1:
                raise ValidationError(
                    self.env._(
                        "%(name)s: a threshold is for one plan, one account or one"
                        " subscription, or for all. Empty the others.",
                        name=threshold.name,
                    )
                )

    def action_view_alerts(self):
        """Open what the thresholds have found.

        :return: window action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_alert_action"
        )
        action["domain"] = [("threshold_id", "in", self.ids)]
        action["context"] = {}
        return action

    # ------------------------------------------------------------------
    # Which count
    # ------------------------------------------------------------------
    def _get_level(self):
        """Return the engine's limit."""
        self.ensure_one()
        return Level(self.id, self.kind, to_decimal(self.value))

    def _filter_for(self, subscription):
        """Return the thresholds of a subscription: per target the most specific set.

        :param subscription: ``saas.subscription``
        """
        own = self.filtered(
            lambda one: (
                one.company_id == subscription.company_id
                and (not one.plan_id or one.plan_id == subscription.plan_id)
                and (
                    not one.partner_id
                    or one.partner_id == subscription.commercial_partner_id
                )
                and (not one.subscription_id or one.subscription_id == subscription)
            )
        )
        result = self.browse()
        for _target, rivals in own.grouped(
            lambda one: (one.product_tmpl_id.id, one.meter_id.id)
        ).items():
            best = min(one._get_rank() for one in rivals)
            result |= rivals.filtered(lambda one, best=best: one._get_rank() == best)
        return result

    def _get_rank(self):
        """Return how specific a threshold is, the most specific first."""
        self.ensure_one()
        ranks = [rank for rank, name in enumerate(SCOPES) if self[name]]
        return ranks[0] if ranks else len(SCOPES)
