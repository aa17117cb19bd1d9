# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from datetime import date

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..exceptions import LedgerError, SubscriptionError, TransitionError

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
BATCH_SIZE = 500


class SaasSubscription(models.Model):
    """The contract with a customer: what runs, since when, on which terms.

    Dates are calendar dates in the customer's time zone ``tz``; every interval is
    half open: ``date_end`` and ``term_end`` are the first days *not* covered.
    """

    _name = "saas.subscription"
    _description = "Subscription"
    _inherit = ["portal.mixin", "mail.thread", "mail.activity.mixin", "saas.mixin"]
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

    @api.depends("date_start", "trial_end", "plan_id")
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
            self.env["saas.charge"]._read_group(
                [("subscription_id", "in", self.ids)], ["subscription_id"], ["__count"]
            )
        )
        for subscription in self:
            subscription.charge_count = counts.get(subscription, 0)
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
            if vals.get("name", "/") == "/":
                company = self.env["res.company"].browse(
                    vals.get("company_id") or self.env.company.id
                )
                # Salespeople and portal users signing a quote draw a number too.
                vals["name"] = (
                    self.env["ir.sequence"]
                    .sudo()
                    .with_company(company)
                    .next_by_code("saas.subscription")
                )
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
        if frozen & vals.keys():
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
    def action_activate(self) -> bool:
        """Start the subscription: trial when the plan grants one, else active.

        :return: True
        :raise SubscriptionError: a draft without recurring or usage lines
        :raise TransitionError: not a draft
        """
        self.check_access("write")
        for subscription in self:
            subscription._check_can_activate()
            trial = bool(subscription.trial_end) and (
                subscription.trial_end > subscription.date_start
            )
            target = "trial" if trial else "active"
            if subscription._set_state({"draft"}, target, self.env._("Activated")):
                subscription._on_activated()
        return True

    def action_view_order(self) -> dict:
        """Open the sales order.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sale.order",
            "res_id": self.order_id.id,
            "view_mode": "form",
        }

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
            "context": {"create": False},
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
    # Life cycle
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, reason: str) -> bool:
        """Move the subscription to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param str reason: one sentence for the timeline
        :return: False when the subscription is there already (a repeat is no error)
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target:
            _logger.info("%s is %s already, nothing to do", self.name, target)
            return False
        labels = dict(self._fields["state"]._description_selection(self.env))
        if self.state not in allowed:
            raise TransitionError(
                self.env._(
                    "%(name)s is %(state)s and can't become %(target)s. Possible "
                    "from: %(allowed)s.",
                    name=self.name,
                    state=labels[self.state],
                    target=labels[target],
                    allowed=", ".join(labels[state] for state in sorted(allowed)),
                )
            )
        # sudo: the funnel is the one writer of the state, access was checked above it
        self.sudo().write({"state": target})
        self._message_log(body=reason)
        return True

    def _check_can_activate(self):
        self.ensure_one()
        if not self.line_ids:
            raise SubscriptionError(
                self.env._(
                    "%(name)s has no lines: add what the customer pays for, then "
                    "activate it.",
                    name=self.name,
                )
            )

    def _on_activated(self):
        """React to the activation; the hook other modules extend."""
        self.ensure_one()
        # A start in the future counts from its first day.
        self.terms_date = max(self.date_start, fields.Date.context_today(self))
        tier = self.plan_id.support_tier_id
        account = self._saas_account()
        if tier and account.saas_support_tier_id != tier:
            # sudo: whoever sells the plan need not be allowed to edit accounts
            account.sudo().saas_support_tier_id = tier
        self._saas_emit(
            "subscription.activated",
            {
                "number": self.name,
                "state": self.state,
                "date_start": str(self.date_start),
                "mrr": str(self.mrr),
                "currency": self.currency_id.name,
            },
        )

    def _saas_account(self):
        return self.commercial_partner_id

    @api.model
    def _cron_process_lifecycle(self):
        """End trials, renew or expire terms and refresh MRR, in small batches."""
        self._process_lifecycle(fields.Date.context_today(self), commit=True)

    @api.model
    def _process_lifecycle(self, day: date, commit=False):
        """Bring every subscription to its state on a day.

        :param date day: the day to reach; nothing reads the clock below this point
        :param bool commit: report progress to the scheduler and commit per batch
        """
        due = self.search(self._get_lifecycle_domain(day), order="id")
        cron = self.env["ir.cron"]
        if commit:
            cron._commit_progress(remaining=len(due))
        for start in range(0, len(due), BATCH_SIZE):
            for subscription in due[start : start + BATCH_SIZE].try_lock_for_update():
                subscription._advance_to(day)
                if commit and not cron._commit_progress(1):
                    return

    @api.model
    def _get_lifecycle_domain(self, day: date) -> list:
        """Return the domain of subscriptions with something to do on a day."""
        boundary = self.env["saas.subscription.line"]._search(
            [("next_boundary", "<=", day)]
        )
        return [
            ("state", "in", LIVE_STATES),
            "|",
            "|",
            "|",
            "&",
            ("state", "=", "trial"),
            ("trial_end", "<=", day),
            ("date_end", "<=", day),
            ("term_end", "<=", day),
            ("line_ids", "in", boundary),
        ]

    def _advance_to(self, day: date):
        """Run the due life-cycle steps of one subscription; failures are queued."""
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._do_advance_to(day)
        except (SubscriptionError, ValidationError) as error:
            self._saas_raise(
                "subscription.lifecycle_failed",
                str(error),
                queue="sales_ops",
                severity="high",
                retry_method="saas_retry_lifecycle",
            )

    def saas_retry_lifecycle(self):
        """Run the due life-cycle steps again, from the exception queue.

        :raise SubscriptionError: still failing
        """
        self.check_access("write")
        for subscription in self:
            subscription._do_advance_to(fields.Date.context_today(self))

    def _do_advance_to(self, day: date):
        if self.state == "trial" and self.trial_end and self.trial_end <= day:
            self._set_state({"trial"}, "active", self.env._("Trial ended"))
            self._saas_emit("subscription.trial_ended", {"on": str(self.trial_end)})
        if self.date_end and self.date_end <= day:
            self._expire()
            return
        while self.term_end and self.term_end <= day and self.plan_id.term_months:
            self._renew_term()
        self.terms_date = max(self.date_start, day)

    def _renew_term(self):
        old_end = self.term_end
        self.term_end = fields.Date.add(old_end, months=self.plan_id.term_months)
        self._saas_emit(
            "subscription.renewed", {"from": str(old_end), "to": str(self.term_end)}
        )

    def _expire(self):
        if self._set_state(set(LIVE_STATES), "expired", self.env._("Term ended")):
            self.terms_date = self.date_end
            self._saas_emit("subscription.expired", {"on": str(self.date_end)})

    # ------------------------------------------------------------------
    # Figures
    # ------------------------------------------------------------------
    def _get_mrr_on(self, day: date) -> float:
        """Return the monthly recurring revenue of the lines in force on a day.

        :param date day: calendar date in the subscription's time zone
        :return: untaxed amount per month, rounded once to the subscription currency
        """
        self.ensure_one()
        months = self.plan_id._get_months_per_period()
        lines = self.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        )
        total = sum(line._get_untaxed_price() for line in lines)
        return self.currency_id.round(total * months.denominator / months.numerator)

    @api.model
    def _get_running_domain(self, day: date) -> list:
        """Return the domain of subscriptions that ran on a day.

        Nothing but dates is asked, so the answer for a past day does not move when
        the subscription changes later.
        """
        return [
            ("state", "!=", "draft"),
            ("date_start", "<=", str(day)),
            "|",
            ("date_end", "=", False),
            ("date_end", ">", str(day)),
        ]

    @api.model
    def _saas_kpi_mrr(self, kpi, company, date_start, date_end) -> list:
        """Compute MRR at the end of a period, in company currency.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``; rate of the period's last day
        """
        day = fields.Date.subtract(date_end, days=1)
        domain = [
            ("company_id", "=", company.id),
            *self._get_running_domain(day),
        ]
        subscriptions = self.search(domain)
        per_currency = {}
        for subscription in subscriptions:
            per_currency.setdefault(subscription.currency_id, []).append(
                subscription._get_mrr_on(day)
            )
        value = sum(
            currency._convert(sum(amounts), company.currency_id, company, day)
            for currency, amounts in per_currency.items()
        )
        return [self._prepare_kpi_row(value, domain, day, company.currency_id)]

    @api.model
    def _saas_kpi_active_subscriptions(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Count the subscriptions running at the end of a period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        day = fields.Date.subtract(date_end, days=1)
        domain = [("company_id", "=", company.id), *self._get_running_domain(day)]
        return [self._prepare_kpi_row(self.search_count(domain), domain, day)]

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    @api.model
    def _prepare_kpi_row(self, value, domain, day: date, currency=None) -> dict:
        """Prepare one row for the KPI store.

        :param value: figure
        :param list domain: records the figure is made of
        :param date day: day it was computed for
        :param currency: ``res.currency`` of money
        """
        return {
            "value": value,
            "currency_id": currency.id if currency else False,
            "dimension": "",
            "res_model": self._name,
            "domain": domain,
            "inputs": {"on": str(day)},
        }

    def _saas_lock(self):
        """Take the row locks of the subscriptions until the transaction ends.

        The no-op update makes a second transaction that waited here fail with a
        serialization error, which the framework repeats on fresh data. A plain
        lock would let it go on with its old view of the ledger.
        """
        if self:
            self.flush_recordset()
            self.env.cr.execute(
                SQL(
                    "UPDATE saas_subscription SET id = id WHERE id IN %s",
                    tuple(sorted(self.ids)),
                )
            )
