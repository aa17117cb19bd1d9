# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Milestones that bill a share of a service package, and what finance sees of them."""

from odoo import api, fields, models
from odoo.tools import float_compare

from ..exceptions import OnboardingError

AMOUNT_GROUPS = (
    "account.group_account_readonly,account.group_account_invoice,"
    "sales_team.group_sale_salesman,saas_core.group_saas_core_billing_operator,"
    "saas_core.group_saas_core_billing_approver,saas_core.group_saas_core_auditor"
)


class ProjectMilestone(models.Model):
    _inherit = "project.milestone"

    saas_billing_state = fields.Selection(
        [
            ("planned", "Planned"),
            ("to_bill", "To bill"),
            ("billed", "Invoiced"),
        ],
        string="Billing",
        compute="_compute_saas_billing_state",
        store=True,
        index="btree_not_null",
        groups="base.group_user",
        help="Empty: the milestone bills nothing.",
    )
    saas_amount = fields.Monetary(
        string="Amount",
        compute="_compute_saas_amount",
        compute_sudo=True,
        currency_field="saas_currency_id",
        groups=AMOUNT_GROUPS,
        help="Untaxed share of the order line.",
    )
    saas_company_amount = fields.Monetary(
        string="Amount (Company Currency)",
        compute="_compute_saas_company_amount",
        store=True,
        currency_field="saas_company_currency_id",
        groups=AMOUNT_GROUPS,
        help="At the rate of the order.",
    )
    saas_currency_id = fields.Many2one(
        related="sale_line_id.currency_id",
        string="Order Currency",
        groups="base.group_user",
    )
    saas_company_currency_id = fields.Many2one(
        related="project_id.company_id.currency_id",
        string="Company Currency",
        groups="base.group_user",
    )
    saas_order_name = fields.Char(
        related="sale_line_id.order_id.name", string="Order", groups=AMOUNT_GROUPS
    )

    @api.depends(
        "is_reached",
        "quantity_percentage",
        "sale_line_id.state",
        "sale_line_id.qty_invoiced",
        "sale_line_id.qty_delivered",
        "sale_line_id.product_uom_qty",
        "sale_line_id.qty_delivered_method",
    )
    def _compute_saas_billing_state(self):
        for milestone in self:
            milestone.saas_billing_state = False
            if not milestone._saas_is_billing():
                continue
            if not milestone.is_reached:
                milestone.saas_billing_state = "planned"
            elif milestone._saas_is_invoiced():
                milestone.saas_billing_state = "billed"
            else:
                milestone.saas_billing_state = "to_bill"

    def _saas_is_billing(self) -> bool:
        self.ensure_one()
        line = self.sale_line_id
        return bool(
            line
            and line.state == "sale"
            and line.qty_delivered_method == "milestones"
            and self.quantity_percentage
        )

    def _saas_is_invoiced(self) -> bool:
        """Return whether invoices cover the milestone, drafts included.

        What is invoiced of a line covers its reached milestones in the order they were
        reached.
        """
        self.ensure_one()
        line = self.sale_line_id
        reached = line.reached_milestones_ids.sorted(
            lambda item: (
                item.reached_date or fields.Date.today(),
                item.sequence,
                item._origin.id,
            )
        )
        ids = [item._origin.id for item in reached]
        if self._origin.id not in ids:
            return False
        covered = reached[: ids.index(self._origin.id) + 1]
        quantity = sum(covered.mapped("quantity_percentage")) * line.product_uom_qty
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        return float_compare(line.qty_invoiced, quantity, precision_digits=digits) >= 0

    @api.depends("sale_line_id.price_subtotal", "quantity_percentage")
    def _compute_saas_amount(self):
        for milestone in self:
            share = milestone.quantity_percentage if milestone.sale_line_id else 0
            milestone.saas_amount = milestone.sale_line_id.price_subtotal * share

    @api.depends(
        "sale_line_id.price_subtotal",
        "sale_line_id.order_id.currency_rate",
        "quantity_percentage",
    )
    def _compute_saas_company_amount(self):
        for milestone in self:
            rate = milestone.sale_line_id.order_id.currency_rate or 1.0
            milestone.saas_company_amount = milestone.saas_amount / rate

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_saas_bill(self) -> dict:
        """Open the draft invoices of the milestones, or make them as Odoo does.

        :return: window action on the invoices
        :raise OnboardingError: nothing to bill
        """
        lines = self.sale_line_id
        drafts = lines.invoice_lines.move_id.filtered(
            lambda move: move.state == "draft" and move.is_sale_document()
        )
        waiting = self.filtered(lambda item: item.saas_billing_state == "to_bill")
        if not waiting and not drafts:
            raise OnboardingError(
                self.env._(
                    "Nothing is to be billed here: a milestone of a product invoiced "
                    "based on milestones can be billed once it is reached."
                )
            )
        orders = waiting.sale_line_id.order_id
        moves = orders._create_invoices() if orders else drafts
        return orders.action_view_invoice(moves)
