# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from fractions import Fraction

from odoo import api, fields, models
from odoo.exceptions import ValidationError

RECURRENCE_UNITS = [
    ("day", "Days"),
    ("week", "Weeks"),
    ("month", "Months"),
    ("quarter", "Quarters"),
    ("year", "Years"),
]
MONTHS_PER_UNIT = {
    "day": Fraction(12, 365),
    "week": Fraction(84, 365),
    "month": Fraction(1),
    "quarter": Fraction(3),
    "year": Fraction(12),
}
PORTAL_MODES = [
    ("none", "Not offered"),
    ("request", "Asks for it, we decide"),
    ("direct", "Does it at once"),
]


class SaasPlan(models.Model):
    """The commercial calendar a subscription follows.

    A plan says how often, when and how much of a period is charged; prices stay on
    the products and price lists. Subscriptions copy what they need on creation, so a
    later change of the plan never rewrites a running contract's dates.
    """

    _name = "saas.plan"
    _description = "Subscription Plan"
    _inherit = ["mail.thread"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    code = fields.Char(help="Short reference used in reports and imports.")
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one(
        "res.company",
        default=lambda self: self.env.company,
        index=True,
        help="Leave empty to share the plan between all companies.",
    )
    description = fields.Html(translate=True)
    recurrence_unit = fields.Selection(
        RECURRENCE_UNITS,
        default="month",
        required=True,
        tracking=True,
    )
    recurrence_count = fields.Integer(
        string="Every",
        default=1,
        required=True,
        tracking=True,
        help="One billing period lasts this many units, for example every 3 months.",
    )
    timing = fields.Selection(
        [("advance", "In advance"), ("arrears", "In arrears")],
        default="advance",
        required=True,
        tracking=True,
        help="Recurring lines are charged at the start (in advance) or after the end "
        "(in arrears) of each period. Usage is always charged in arrears.",
    )
    alignment = fields.Selection(
        [("anniversary", "Anniversary of the start"), ("calendar", "Calendar")],
        default="anniversary",
        required=True,
        tracking=True,
        help="Calendar: periods start on the first day of the week, month, quarter "
        "or year, and the first period is shortened by the proration policy.",
    )
    term_months = fields.Integer(
        string="Term (months)",
        default=12,
        tracking=True,
        help="Length of the contract term. 0: open ended.",
    )
    notice_days = fields.Integer(
        string="Notice (days)",
        default=30,
        help="Days before the term end by which a cancellation must be announced.",
    )
    auto_renew = fields.Boolean(
        default=True,
        tracking=True,
        help="At the term end a new term of the same length starts; otherwise the "
        "subscription expires.",
    )
    trial_days = fields.Integer(
        string="Trial (days)",
        default=0,
        help="Days from the start without recurring charges.",
    )
    proration_policy = fields.Selection(
        [
            ("day", "By actual days"),
            ("30_day", "By days of a 30-day month"),
            ("second", "By seconds"),
            ("none", "No proration: a started period is charged in full"),
        ],
        default="day",
        required=True,
        tracking=True,
    )
    invoicing_policy = fields.Selection(
        [
            ("subscription", "One invoice per subscription"),
            ("account", "One invoice per bill-to address"),
        ],
        default="subscription",
        required=True,
        tracking=True,
        help="One invoice per bill-to address: subscriptions of the same run with the "
        "same bill-to address, currency and company share an invoice.",
    )
    min_term_months = fields.Integer(
        string="Minimum Term (months)",
        default=0,
        tracking=True,
        help="A cancellation takes effect after this time at the earliest. 0: none.",
    )
    grace_days = fields.Integer(
        string="Grace (days)",
        default=0,
        tracking=True,
        help="Days after the end of a period before charges in arrears are final, so "
        "that late usage still gets on the same invoice.",
    )
    pause_allowed = fields.Boolean(default=True, tracking=True)
    pause_max_days = fields.Integer(
        string="Longest Pause (days)", default=0, help="0: without limit."
    )
    pause_mode = fields.Selection(
        [
            ("credit", "Credit the paused days"),
            ("extend", "Extend the period and the term"),
        ],
        default="credit",
        required=True,
        tracking=True,
        help="What a pause does unless chosen otherwise. Extending moves the later "
        "periods, which calendar aligned plans can't do.",
    )
    cancel_credit = fields.Boolean(
        string="Credit on Immediate Cancellation",
        default=True,
        tracking=True,
        help="A subscription cancelled at once gets back what was charged in advance "
        "for the days not served.",
    )
    portal_change = fields.Selection(
        PORTAL_MODES,
        string="Changes by the Customer",
        default="request",
        required=True,
        tracking=True,
        help="What the customer may do with quantities on the portal.",
    )
    portal_cancel = fields.Selection(
        PORTAL_MODES,
        string="Cancellation by the Customer",
        default="request",
        required=True,
        tracking=True,
        help="What the customer may do about cancelling on the portal.",
    )
    approval_credit_limit = fields.Monetary(
        string="Approval from a Credit of",
        currency_field="company_currency_id",
        default=0.0,
        tracking=True,
        help="Changes that credit more than this on balance need the approval of "
        "somebody else. In company currency; 0: never.",
    )
    company_currency_id = fields.Many2one(
        "res.currency", compute="_compute_company_currency_id"
    )
    ramp_ids = fields.One2many("saas.plan.ramp", "plan_id", copy=True)
    onboarding_template_id = fields.Many2one(
        "project.project",
        domain="[('is_template', '=', True)]",
        check_company=True,
        index="btree_not_null",
        help="Used when no product of the order brings a template of its own.",
    )
    support_tier_id = fields.Many2one(
        "saas.support.tier",
        index="btree_not_null",
        help="Given to the account when a subscription of this plan is activated.",
    )
    product_ids = fields.One2many("product.template", "saas_plan_id")
    subscription_ids = fields.One2many("saas.subscription", "plan_id")
    subscription_count = fields.Integer(compute="_compute_subscription_count")

    _code_company_uniq = models.UniqueIndex(
        "(code, company_id) WHERE code IS NOT NULL",
        "Another plan of this company already uses this code.",
    )
    _recurrence_count_positive = models.Constraint(
        "CHECK (recurrence_count > 0)",
        "A billing period lasts at least one unit: set 'Every' to 1 or more.",
    )
    _days_not_negative = models.Constraint(
        "CHECK (term_months >= 0 AND notice_days >= 0 AND trial_days >= 0)",
        "Term, notice and trial can't be negative.",
    )
    _min_term_not_negative = models.Constraint(
        "CHECK (min_term_months >= 0)",
        "The minimum term can't be negative. 0: there is none.",
    )
    _grace_not_negative = models.Constraint(
        "CHECK (grace_days >= 0)",
        "The grace can't be negative. 0: charges are final at once.",
    )
    _pause_max_not_negative = models.Constraint(
        "CHECK (pause_max_days >= 0)",
        "The longest pause can't be negative. 0: without limit.",
    )
    _approval_limit_not_negative = models.Constraint(
        "CHECK (approval_credit_limit >= 0)",
        "The credit that needs approval can't be negative. 0: none does.",
    )

    @api.depends("company_id")
    @api.depends_context("company")
    def _compute_company_currency_id(self):
        for plan in self:
            company = plan.company_id or self.env.company
            plan.company_currency_id = company.currency_id

    @api.depends("subscription_ids")
    def _compute_subscription_count(self):
        counts = dict(
            self.env["saas.subscription"]._read_group(
                [("plan_id", "in", self.ids)], ["plan_id"], ["__count"]
            )
        )
        for plan in self:
            plan.subscription_count = counts.get(plan, 0)

    @api.constrains("term_months", "notice_days")
    def _check_notice_within_term(self):
        for plan in self:
            if plan.term_months and plan.notice_days > plan.term_months * 28:
                raise ValidationError(
                    self.env._(
                        "Plan %(plan)s: a notice of %(days)s days does not fit into a "
                        "term of %(months)s months. Shorten the notice or lengthen "
                        "the term.",
                        plan=plan.name,
                        days=plan.notice_days,
                        months=plan.term_months,
                    )
                )

    @api.constrains("term_months", "min_term_months")
    def _check_min_term_within_term(self):
        for plan in self:
            if plan.term_months and plan.min_term_months > plan.term_months:
                raise ValidationError(
                    self.env._(
                        "Plan %(plan)s: a minimum term of %(minimum)s months is longer "
                        "than its term of %(months)s months. Shorten the minimum term "
                        "or lengthen the term.",
                        plan=plan.name,
                        minimum=plan.min_term_months,
                        months=plan.term_months,
                    )
                )

    @api.constrains("alignment", "pause_mode", "pause_allowed")
    def _check_pause_mode(self):
        for plan in self:
            extends = plan.pause_allowed and plan.pause_mode == "extend"
            if extends and plan.alignment == "calendar":
                raise ValidationError(
                    self.env._(
                        "Plan %(plan)s follows the calendar, so a pause can't extend "
                        "its periods. Let pauses credit the paused days, or align the "
                        "periods to the start.",
                        plan=plan.name,
                    )
                )

    @api.constrains("ramp_ids", "term_months")
    def _check_ramp_within_term(self):
        for plan in self:
            term = plan.term_months
            late = [step for step in plan.ramp_ids if step.from_month >= term > 0]
            if late:
                raise ValidationError(
                    self.env._(
                        "Plan %(plan)s: the ramp step from month %(month)s lies beyond "
                        "the term of %(months)s months. Remove it or lengthen the "
                        "term.",
                        plan=plan.name,
                        month=late[0].from_month,
                        months=plan.term_months,
                    )
                )

    def action_view_subscriptions(self) -> dict:
        """Open the subscriptions of this plan.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_subscription_action"
        )
        action["domain"] = [("plan_id", "=", self.id)]
        action["context"] = {"default_plan_id": self.id}
        return action

    def _get_recurrence_label(self) -> str:
        """Return the billing period in words, for example ``every 3 months``."""
        self.ensure_one()
        return describe_recurrence(
            self.env, self.recurrence_unit, self.recurrence_count
        )

    def _get_months_per_period(self) -> Fraction:
        """Return the length of one billing period in months.

        :return: exact fraction; a day counts 12/365 and a week 84/365 of a month, so
            that 365 days are a year of 12 months in every unit
        """
        self.ensure_one()
        return MONTHS_PER_UNIT[self.recurrence_unit] * self.recurrence_count


def describe_recurrence(env, unit: str, count: int) -> str:
    """Return a billing period in words, for example ``every 3 months``.

    :param env: environment, for the language
    :param str unit: one of ``RECURRENCE_UNITS``
    :param int count: number of units, 1 or more
    :return: text to put after an amount
    """
    if count == 1:
        return {
            "day": env._("per day"),
            "week": env._("per week"),
            "month": env._("per month"),
            "quarter": env._("per quarter"),
            "year": env._("per year"),
        }[unit]
    field = env["saas.plan"]._fields["recurrence_unit"]
    units = dict(field._description_selection(env))
    return env._("every %(count)s %(unit)s", count=count, unit=units[unit].lower())
