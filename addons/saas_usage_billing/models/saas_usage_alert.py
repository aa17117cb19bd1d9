# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError

from .saas_usage_price import format_quantity

#: What was found does not change.
FACTS = {
    *("kind", "threshold_id", "subscription_id", "product_tmpl_id", "period_start"),
    *("period_end", "quantity", "allowance", "percent", "amount", "trend", "change"),
    *("state", "recorded_at", "notified_at", "mailed_at", "lead_id"),
}


class SaasUsageAlert(models.Model):
    """Usage that reached a threshold, or that falls, rises or stopped."""

    _name = "saas.usage.alert"
    _description = "Usage Alert"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.default.guard",
    ]
    _order = "period_start desc, id desc"
    _check_company_auto = True
    _undefaultable = FACTS

    name = fields.Char(compute="_compute_name", store=True)
    kind = fields.Selection(
        [("threshold", "Threshold"), ("adoption", "Adoption")],
        required=True,
        readonly=True,
        index=True,
    )
    threshold_id = fields.Many2one(
        "saas.usage.threshold",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
        check_company=True,
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id",
        string="Account",
        store=True,
        index=True,
        precompute=True,
    )
    csm_id = fields.Many2one(
        related="partner_id.saas_csm_id", string="Customer Success Manager"
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    product_tmpl_id = fields.Many2one(
        "product.template",
        string="Usage Product",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    unit = fields.Char(related="product_tmpl_id.saas_meter_id.unit")
    period_start = fields.Date(string="From", required=True, readonly=True, index=True)
    period_end = fields.Date(
        string="Until", readonly=True, help="First day after the period."
    )
    quantity = fields.Float(
        readonly=True,
        digits="Usage Quantity",
        aggregator=None,
        help="When the alert was opened.",
    )
    allowance = fields.Float(
        string="Included Units", readonly=True, digits="Usage Quantity", aggregator=None
    )
    percent = fields.Float(
        string="% of the Included Units",
        readonly=True,
        digits=(16, 1),
        aggregator="max",
    )
    amount = fields.Monetary(
        readonly=True, help="Of the usage, when the alert was opened; untaxed."
    )
    trend = fields.Selection(
        [("fallen", "Falls"), ("risen", "Rises"), ("stopped", "Stopped")],
        readonly=True,
        index="btree_not_null",
    )
    change = fields.Integer(
        string="Change (%)",
        readonly=True,
        aggregator="avg",
        help="Of the last 28 days, against the 28 days before.",
    )
    state = fields.Selection(
        [("new", "New"), ("done", "Done")],
        required=True,
        default="new",
        readonly=True,
        index=True,
        tracking=True,
    )
    recorded_at = fields.Datetime(string="Event Written", readonly=True, copy=False)
    notified_at = fields.Datetime(string="CSM Notified", readonly=True, copy=False)
    mailed_at = fields.Datetime(string="Customer Notified", readonly=True, copy=False)
    lead_id = fields.Many2one(
        "crm.lead",
        string="Opportunity",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    _threshold_once = models.UniqueIndex(
        "(threshold_id, subscription_id, COALESCE(product_tmpl_id, 0), period_start)"
        " WHERE kind = 'threshold'",
        "This threshold was reached in the period already.",
    )
    _adoption_once = models.UniqueIndex(
        "(subscription_id, period_start) WHERE kind = 'adoption'",
        "The adoption of this week is known already.",
    )

    @api.depends(
        "kind", "threshold_id.name", "subscription_id.name", "trend", "product_tmpl_id"
    )
    def _compute_name(self):
        trends = dict(self._fields["trend"]._description_selection(self.env))
        for alert in self:
            what = alert.threshold_id.name
            if alert.kind == "adoption":
                what = self.env._("Usage: %(trend)s", trend=trends.get(alert.trend))
            parts = (what, alert.product_tmpl_id.name, alert.subscription_id.name)
            alert.name = " / ".join(filter(None, parts))

    def write(self, vals):
        if FACTS & vals.keys() and not self.env.su:
            raise AccessError(
                self.env._(
                    "What an alert has found can't be changed. Use Done once it is"
                    " dealt with."
                )
            )
        return super().write(vals)

    @api.model
    def _open(self, vals):
        """Open an alert, unless it is there already.

        :param dict vals: values of the alert
        :return: the new alert, or none
        """
        names = ("kind", "threshold_id", "subscription_id", "period_start")
        if vals["kind"] == "threshold":
            names += ("product_tmpl_id",)
        domain = [(name, "=", vals.get(name, False)) for name in names]
        # sudo: nobody may write alerts by hand
        Alert = self.sudo()
        if Alert.search_count(domain, limit=1):
            return self.browse()
        return Alert.create(vals).sudo(self.env.su)

    # ------------------------------------------------------------------
    # Words
    # ------------------------------------------------------------------
    def _describe(self):
        """Return what was found in words, in the language of the environment.

        :return: text
        """
        self.ensure_one()
        if self.kind == "adoption":
            return self.subscription_id._get_trend_words(
                {"fallen": "falls", "risen": "grows"}.get(self.trend, self.trend),
                self.change,
            )
        words = {
            "product": self.product_tmpl_id.name,
            "quantity": format_quantity(self.quantity),
            "unit": self.unit,
            "percent": round(self.percent),
            "allowance": format_quantity(self.allowance),
            "amount": self.subscription_id._format_money(self.amount),
        }
        kind = self.threshold_id.kind
        if kind == "allowance":
            return self.env._(
                "%(percent)s%% of the %(allowance)s included units of %(product)s are"
                " used.",
                **words,
            )
        if kind == "quantity":
            return self.env._("%(quantity)s %(unit)s of %(product)s are used.", **words)
        if not self.product_tmpl_id:
            return self.env._("The usage so far costs %(amount)s.", **words)
        return self.env._("The usage of %(product)s so far costs %(amount)s.", **words)

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_done(self):
        """Note that the alert is dealt with.

        :return: True
        """
        self.check_access("write")
        # sudo: people write notes and activities, the state is set by this button
        self.sudo().filtered(lambda alert: alert.state == "new").state = "done"
        return True

    def action_view_events(self):
        """Open the usage events of the alert's period.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        domain = [("subscription_id", "=", self.subscription_id.id)]
        if self.period_end:
            start = self.subscription_id._make_window(
                self.period_start, self.period_end
            )
            domain = self.subscription_id._get_usage_domain(start.start, start.end)
        action["domain"] = domain
        action["context"] = {}
        return action

    def action_view_lead(self):
        """Open the opportunity.

        :return: window action
        """
        self.ensure_one()
        return self.lead_id._get_records_action()
