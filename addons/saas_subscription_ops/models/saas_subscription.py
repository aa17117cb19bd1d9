# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import api, fields, models

from ..exceptions import LedgerError, SubscriptionError, TransitionError
from ..row_lock import lock_rows

_logger = logging.getLogger(__name__)

STATES = [
    ("draft", "Draft"),
    ("trial", "Trial"),
    ("active", "Active"),
    ("paused", "Paused"),
    ("cancelled", "Cancelled"),
    ("expired", "Expired"),
]
LIVE_STATES = ("trial", "active", "paused")


class SaasSubscription(models.Model):
    """The contract with a customer: what runs, since when, on which terms.

    Dates are calendar dates in the customer's time zone ``tz``; every interval is
    half open: ``date_end`` and ``term_end`` are the first days *not* covered.
    """

    _name = "saas.subscription"
    _description = "Subscription"
    _inherit = [
        "portal.mixin",
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.state.mixin",
        "saas.default.guard",
    ]
    _undefaultable = {"state"}
    _order = "date_start desc, id desc"
    _check_company_auto = True

    name = fields.Char(
        string="Number", required=True, readonly=True, copy=False, default="/"
    )
    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Customer",
        required=True,
        index=True,
        tracking=True,
        check_company=True,
    )
    commercial_partner_id = fields.Many2one(
        related="partner_id.commercial_partner_id",
        string="Account",
        store=True,
        index=True,
    )
    bill_to_id = fields.Many2one(
        "res.partner",
        required=True,
        index=True,
        compute="_compute_bill_to_id",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
    )
    plan_id = fields.Many2one(
        "saas.plan",
        required=True,
        index=True,
        tracking=True,
        ondelete="restrict",
        check_company=True,
    )
    order_id = fields.Many2one(
        "sale.order",
        string="Sales Order",
        copy=False,
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        check_company=True,
    )
    user_id = fields.Many2one("res.users", string="Salesperson", index=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        default=lambda self: self.env.company,
        index=True,
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    pricelist_id = fields.Many2one(
        "product.pricelist",
        check_company=True,
        index="btree_not_null",
        help="Prices of products that are added later.",
    )
    payment_term_id = fields.Many2one(
        "account.payment.term",
        string="Payment Terms",
        check_company=True,
        help="Empty: those of the bill-to address.",
    )
    fiscal_position_id = fields.Many2one(
        "account.fiscal.position",
        check_company=True,
        help="Empty: found from the bill-to address for every invoice.",
    )
    client_order_ref = fields.Char(
        string="Customer Reference",
        help="Purchase order number the customer wants to read on the invoices.",
    )
    date_start = fields.Date(string="Starts On", required=True, tracking=True)
    trial_end = fields.Date(
        readonly=True, help="First day after the trial, when charging begins."
    )
    anchor_date = fields.Date(
        required=True,
        compute="_compute_anchor_date",
        store=True,
        readonly=False,
        precompute=True,
        help="Billing periods are counted from this day; the 31st stays the 31st "
        "where a month has one.",
    )
    term_end = fields.Date(
        copy=False,
        tracking=True,
        help="First day after the current contract term.",
    )
    date_end = fields.Date(
        string="Ends On",
        copy=False,
        tracking=True,
        help="First day the subscription no longer runs. Empty: it goes on.",
    )
    terms_date = fields.Date(
        readonly=True,
        copy=False,
        help="Day for which the monthly recurring revenue shown here was computed; "
        "moved forward by a scheduled action when a line starts or ends.",
    )
    tz = fields.Selection(
        lambda self: (
            self.env["res.partner"]._fields["tz"]._description_selection(self.env)
        ),
        string="Time Zone",
        required=True,
        compute="_compute_tz",
        store=True,
        readonly=False,
        precompute=True,
        help="Day boundaries of periods and usage follow this time zone.",
    )
    line_ids = fields.One2many("saas.subscription.line", "subscription_id", copy=True)
    charge_ids = fields.One2many("saas.charge", "subscription_id", copy=False)
    project_ids = fields.One2many("project.project", "saas_subscription_id")
    run_line_ids = fields.One2many("saas.billing.run.line", "subscription_id")
    mrr = fields.Monetary(
        string="MRR",
        compute="_compute_mrr",
        store=True,
        help="Monthly recurring revenue: untaxed, recurring lines in force on the "
        "terms date only, every recurrence converted to months. Zero unless active.",
    )
    mrr_company = fields.Monetary(
        string="MRR (Company Currency)",
        compute="_compute_mrr",
        store=True,
        currency_field="company_currency_id",
        help="MRR at the exchange rate of the terms date.",
    )
    charge_count = fields.Integer(compute="_compute_charge_count")
    invoice_count = fields.Integer(compute="_compute_invoice_count")
    project_count = fields.Integer(compute="_compute_project_count")
    is_billed = fields.Boolean(compute="_compute_charge_count")

    _order_uniq = models.UniqueIndex(
        "(order_id) WHERE order_id IS NOT NULL",
        "This order has a subscription already.",
    )
    _name_company_uniq = models.Constraint(
        "UNIQUE (name, company_id)", "Subscription numbers are unique per company."
    )
    _interval_valid = models.Constraint(
        "CHECK (date_end IS NULL OR date_end >= date_start)",
        "A subscription can't end before it starts.",
    )
    _state_terms_idx = models.Index("(state, terms_date)")

    # ------------------------------------------------------------------
    # Computes and checks
    # ------------------------------------------------------------------
    @api.depends("partner_id")
    def _compute_bill_to_id(self):
        for subscription in self:
            partner = subscription.partner_id
            address = partner.address_get(["invoice"])["invoice"] if partner else False
            subscription.bill_to_id = address

    @api.depends("date_start", "trial_end")
    def _compute_anchor_date(self):
        for subscription in self:
            subscription.anchor_date = subscription.trial_end or subscription.date_start

    @api.depends("partner_id")
    def _compute_tz(self):
        for subscription in self:
            subscription.tz = (
                subscription.partner_id.tz
                or subscription.company_id.partner_id.tz
                or "UTC"
            )

    @api.depends(
        "state",
        "terms_date",
        "currency_id",
        "plan_id.recurrence_unit",
        "plan_id.recurrence_count",
        "line_ids.kind",
        "line_ids.quantity",
        "line_ids.price_unit",
        "line_ids.discount",
        "line_ids.date_start",
        "line_ids.date_end",
        "line_ids.product_id",
        "coupon_ids.date_start",
        "coupon_ids.discount_type",
        "coupon_ids.value",
        "coupon_ids.duration",
        "coupon_ids.periods",
        "coupon_ids.product_ids",
    )
    def _compute_mrr(self):
        for subscription in self:
            day = subscription.terms_date
            mrr = 0.0
            if subscription.state == "active" and day:
                mrr = subscription._get_mrr_on(day)
            subscription.mrr = mrr
            subscription.mrr_company = (
                subscription.currency_id._convert(
                    mrr, subscription.company_currency_id, subscription.company_id, day
                )
                if mrr
                else 0.0
            )

    @api.depends("charge_ids")
    def _compute_charge_count(self):
        counts = dict(
            self.env["saas.charge"]
            # sudo: a number that freezes terms, also for salespeople; rows stay hidden
            .sudo()
            ._read_group(
                [("subscription_id", "in", self.ids)], ["subscription_id"], ["__count"]
            )
        )
        for subscription in self:
            subscription.charge_count = counts.get(subscription.sudo(), 0)
            subscription.is_billed = bool(subscription.charge_count)

    @api.depends("charge_ids.move_id")
    def _compute_invoice_count(self):
        counts = dict(
            self.env["saas.charge"]._read_group(
                [("subscription_id", "in", self.ids)],
                ["subscription_id"],
                ["move_id:count_distinct"],
            )
        )
        for subscription in self:
            subscription.invoice_count = counts.get(subscription, 0)

    @api.depends("project_ids")
    def _compute_project_count(self):
        for subscription in self:
            # Salespeople may lack project access: the number is no secret.
            subscription.project_count = len(subscription.sudo().project_ids)

    def _compute_access_url(self):
        result = super()._compute_access_url()
        for subscription in self:
            subscription.access_url = f"/my/subscriptions/{subscription.id}"
        return result

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("state", "draft") != "draft":
                raise TransitionError(
                    self.env._(
                        "A subscription starts as a draft. Create it without a "
                        "state, then activate it."
                    )
                )
            self._saas_draw_number(vals)
        subscriptions = super().create(vals_list)
        for subscription in subscriptions:
            subscription._saas_emit(
                "subscription.created",
                {"number": subscription.name, "plan": subscription.plan_id.name},
            )
        return subscriptions

    def write(self, vals):
        if "state" in vals and not self.env.su:
            raise TransitionError(
                self.env._(
                    "The state of a subscription changes through its actions only, "
                    "for example Activate."
                )
            )
        frozen = {"partner_id", "plan_id", "currency_id", "company_id", "anchor_date"}
        in_sync = self._is_syncing_terms()
        if frozen & vals.keys() and not in_sync:
            self._check_terms_editable()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_started(self):
        for subscription in self:
            if subscription.state != "draft" or subscription.charge_ids:
                raise SubscriptionError(
                    self.env._(
                        "%(name)s has started and can't be deleted: its charges and "
                        "events belong to it.",
                        name=subscription.name,
                    )
                )

    def _check_terms_editable(self):
        """Refuse to change what booked charges were computed from.

        :raise LedgerError: the subscription has charges
        """
        # The ledger decides, whoever asks and whatever they may read of it.
        billed = self.sudo().filtered("charge_ids")
        if billed:
            raise LedgerError(
                self.env._(
                    "%(names)s: customer, plan, currency, company and anchor are "
                    "fixed once something was charged. End the lines and start a new "
                    "subscription instead.",
                    names=", ".join(billed.mapped("name")),
                )
            )

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_view_order(self) -> dict:
        """Open the sales order.

        :return: window action
        """
        self.ensure_one()
        return self.order_id._get_records_action(context={})

    def action_view_charges(self) -> dict:
        """Open the charge ledger of the subscription.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_view_invoices(self) -> dict:
        """Open the invoices and credit notes with charges of the subscription.

        :return: window action
        """
        self.ensure_one()
        moves = self.charge_ids.move_id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Invoices of %(name)s", name=self.name),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", moves.ids)],
            # The list has its columns by kind: without it there is no customer.
            "context": {"create": False, "default_move_type": "out_invoice"},
        }

    def action_view_projects(self) -> dict:
        """Open the onboarding projects.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Onboarding of %(name)s", name=self.name),
            "res_model": "project.project",
            "view_mode": "list,kanban,form",
            "domain": [("saas_subscription_id", "=", self.id)],
            "context": {"create": False},
        }

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _saas_lock(self):
        """Take the row locks until the transaction ends; see ``row_lock.py``."""
        lock_rows(self)
