# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a plan says about the renewal of its subscriptions."""

from odoo import api, fields, models

#: Days before the term end, where no step says when the window opens.
DEFAULT_WINDOW_DAYS = 90
DAYS_PER_MONTH = 28


class SaasPlan(models.Model):
    _inherit = "saas.plan"

    renewal_step_ids = fields.One2many("saas.renewal.step", "plan_id", copy=True)
    renewal_uplift = fields.Float(
        string="Uplift at Renewal (%)",
        tracking=True,
        help="Percent on every recurring price of a renewal quotation, unless its step "
        "says otherwise. A renewal by itself keeps the prices.",
    )
    renewal_user_id = fields.Many2one(
        "res.users",
        string="Renewal Owner",
        domain=[("share", "=", False)],
        help="Looks after renewals of subscriptions without salesperson and customer "
        "success manager.",
    )
    renewal_warning = fields.Text(compute="_compute_renewal_warning")

    _renewal_uplift_possible = models.Constraint(
        "CHECK (renewal_uplift IS NULL OR renewal_uplift >= -100)",
        "A price can't fall by more than 100 percent.",
    )

    @api.depends(
        "term_months",
        "notice_days",
        "auto_renew",
        "company_id",
        "renewal_user_id",
        "renewal_step_ids.days_before",
        "renewal_step_ids.action",
        "renewal_step_ids.active",
    )
    def _compute_renewal_warning(self):
        for plan in self:
            plan.renewal_warning = "\n".join(plan._get_renewal_warnings())

    def _get_renewal_warnings(self) -> list[str]:
        """Return what will not work as meant when terms of this plan end.

        :return: one sentence per problem, with the cure
        """
        self.ensure_one()
        if not self.term_months:
            return []
        warnings = []
        days = self.term_months * DAYS_PER_MONTH
        if self.notice_days >= days:
            warnings.append(
                self.env._(
                    "A notice of %(days)s days is not shorter than the term of "
                    "%(months)s months: nobody could cancel in time. Shorten it.",
                    days=self.notice_days,
                    months=self.term_months,
                )
            )
        steps = self._get_renewal_steps()
        if not steps:
            warnings.append(
                self.env._(
                    "There are no renewal steps: nobody is told that a term ends. Add "
                    "steps here, or for all plans."
                )
            )
        long = steps.filtered(lambda step: step.days_before > days)
        if long and self.renewal_step_ids:
            warnings.append(
                self.env._(
                    "Longer than the term, so they fall on its first day: %(steps)s.",
                    steps=", ".join(long.mapped("display_name")),
                )
            )
        company = self.company_id or self.env.company
        if not (self.renewal_user_id or company.saas_renewal_user_id):
            warnings.append(
                self.env._(
                    "Nobody looks after renewals of subscriptions without salesperson "
                    "and customer success manager: set a renewal owner here or on the "
                    "company."
                )
            )
        return warnings

    def _get_renewal_steps(self):
        """Return the renewal steps of the plan, else those for all plans.

        :return: ``saas.renewal.step``, the earliest first
        """
        self.ensure_one()
        own = self.renewal_step_ids.filtered(lambda step: step.active)
        # sudo: the steps are the same whoever asks
        steps = own or self.env["saas.renewal.step"].sudo().search(
            [("plan_id", "=", False)]
        )
        return steps.sorted(
            lambda step: (-step.days_before, step.sequence, step._origin.id)
        )

    def _get_renewal_window_days(self) -> int:
        """Return how many days before its end the renewal of a term begins."""
        self.ensure_one()
        days = self._get_renewal_steps().mapped("days_before")
        return max(*(days or [DEFAULT_WINDOW_DAYS]), self.notice_days)
