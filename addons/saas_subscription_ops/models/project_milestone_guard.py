# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a milestone of an onboarding bills is agreed: delivery reaches it, no more."""

from odoo import api, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import float_compare

from ..exceptions import OnboardingError

REOPENED = "onboarding.billed_milestone_reopened"
#: What decides how much of which order line is billed.
BILLING_FIELDS = ("sale_line_id", "quantity_percentage", "product_uom_qty")
BILLING_GROUPS = (
    "sales_team.group_sale_salesman",
    "account.group_account_invoice",
    "saas_core.group_saas_core_subscription_manager",
)


class ProjectMilestone(models.Model):
    _inherit = "project.milestone"

    # ------------------------------------------------------------------
    # Constraints
    # ------------------------------------------------------------------
    @api.constrains("sale_line_id", "quantity_percentage")
    def _check_saas_line_share(self):
        # sudo: what others' milestones of the line bill counts too
        for line in self.sudo()._saas_filter_onboarding().sale_line_id:
            milestones = self.sudo().search([("sale_line_id", "=", line.id)])
            share = 100 * sum(milestones.mapped("quantity_percentage"))
            if float_compare(share, 100, precision_digits=2) > 0:
                raise ValidationError(
                    self.env._(
                        "The milestones of %(line)s bill %(percent)s %% of it "
                        "together: lower them to 100 %% at most.",
                        line=line.display_name,
                        percent=round(share, 2),
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        project_id = self.env.context.get("default_project_id")
        # sudo: whether it is an onboarding, no more
        project = self.env["project.project"].sudo().browse(project_id or [])
        named = "default_sale_line_id" in self.env.context
        if project.saas_order_id and not named:
            # Odoo offers the whole of the first line: it is shared out already.
            values.pop("sale_line_id", None)
        return values

    def copy_data(self, default=None):
        # A copy would bill the same share of the same line again.
        data = super().copy_data(default)
        for milestone, vals in zip(self, data, strict=True):
            if milestone._saas_filter_onboarding():
                for name in BILLING_FIELDS:
                    if name not in (default or {}):
                        vals.pop(name, None)
        return data

    @api.model_create_multi
    def create(self, vals_list):
        milestones = super().create(vals_list)
        if any("product_uom_qty" in vals for vals in vals_list):
            # Not stored, so that no constraint can name it.
            milestones._check_saas_line_share()
        # Looked at afterwards: the context may have filled in a line, too.
        # sudo: whether they bill anything, no more
        if any(
            item.sale_line_id for item in milestones.sudo()._saas_filter_onboarding()
        ):
            self._saas_check_billing_rights()
        return milestones

    def write(self, vals):
        touched = [name for name in BILLING_FIELDS if name in vals]
        if touched or "project_id" in vals:
            self._saas_check_billing_change(vals, touched)
        result = super().write(vals)
        if "product_uom_qty" in vals:
            self._check_saas_line_share()
        if "is_reached" in vals:
            # sudo: what is invoiced is not delivery's to read
            self.sudo()._saas_filter_onboarding()._saas_report_reopened()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_billing(self):
        for milestone in self._saas_filter_onboarding():
            milestone._saas_check_not_billed()
            # sudo: whether it bills anything, no more
            if milestone.sudo()._saas_is_billing():
                milestone._saas_check_billing_rights()

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    def _saas_filter_onboarding(self):
        """Return the milestones of orders' onboarding projects."""
        return self.filtered(
            # sudo: whether there is an order, no more
            lambda item: (
                item.project_id.sudo().saas_order_id and not item.project_id.is_template
            )
        )

    def _saas_check_billing_change(self, vals: dict, touched: list):
        """Refuse to change what a milestone bills, as said above.

        :param dict vals: values of ``write``
        :param list touched: billing fields among them
        :raise OnboardingError: it is invoiced
        :raise AccessError: the user sells and invoices nothing
        """
        for milestone in self._saas_filter_onboarding():
            # sudo: what it bills now, only compared
            now = milestone.sudo()
            changed = [
                name
                for name in touched
                if (now[name].id if name == "sale_line_id" else now[name])
                != (vals[name] or False if name == "sale_line_id" else vals[name])
            ]
            moved = vals.get("project_id", now.project_id.id) != now.project_id.id
            if changed or moved:
                milestone._saas_check_not_billed()
            if changed:
                milestone._saas_check_billing_rights()

    def _saas_check_not_billed(self):
        """Refuse to touch what an invoice rests on.

        :raise OnboardingError: names the milestone and the cure
        """
        self.ensure_one()
        # sudo: whether it is invoiced, no more
        if self.sudo().saas_billing_state == "billed":
            raise OnboardingError(
                self.env._(
                    "%(milestone)s is invoiced: what it bills can't be changed, nor "
                    "can it be deleted. Let finance cancel or credit the invoice.",
                    milestone=self.name,
                )
            )

    def _saas_check_billing_rights(self):
        user = self.env.user
        if self.env.su or user.has_groups(",".join(BILLING_GROUPS)):
            return
        raise AccessError(
            self.env._(
                "What a milestone bills was agreed with the customer: ask sales or "
                "finance to change it."
            )
        )

    # ------------------------------------------------------------------
    # Taken back
    # ------------------------------------------------------------------
    def _saas_report_reopened(self):
        """Tell finance of invoiced lines whose milestones are open again, once."""
        for project in self.project_id:
            over = project.milestone_ids.filtered(
                lambda item: not item.is_reached and item._saas_is_overbilled()
            )
            if not over:
                project._saas_resolve(
                    REOPENED, self.env._("What is invoiced is delivered again.")
                )
            elif any(not item.is_reached for item in self & over):
                project._saas_raise(
                    REOPENED,
                    self.env._(
                        "%(project)s: %(milestones)s is open again, but %(lines)s is "
                        "invoiced beyond what is reached. Credit the customer, or have "
                        "the milestone confirmed.",
                        project=project.name,
                        milestones=", ".join((self & over).mapped("name")),
                        lines=", ".join(over.sale_line_id.mapped("display_name")),
                    ),
                    queue="finance",
                    severity="high",
                )

    def _saas_is_overbilled(self) -> bool:
        self.ensure_one()
        line = self.sale_line_id
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        return self._saas_is_billing() and (
            float_compare(
                line.qty_invoiced, line.qty_delivered, precision_digits=digits
            )
            > 0
        )
