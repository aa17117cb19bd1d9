# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What becomes of the onboarding when its order is cancelled, or confirmed again."""

from odoo import models

ORDER_CANCELLED = "onboarding.order_cancelled"


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def saas_withdraw_onboarding(self) -> bool:
        """Let the onboarding of cancelled orders stand still, and tell the people.

        Reminders, waits and alerts end; what becomes of the work is for Customer
        Success to say. Safe to repeat.

        :return: True
        """
        self.check_access("write")
        # sudo: who cancels the order need not see what delivery does for it
        for order in self.sudo().filtered(lambda order: order.state == "cancel"):
            order = order.with_company(order.company_id)
            for project in order.saas_own_project_ids.filtered(
                lambda own: not own.saas_live_on
            ):
                project._saas_guard(lambda one: one._saas_stand_still())
            message = order._saas_describe_withdrawn()
            if message:
                order._saas_raise(
                    ORDER_CANCELLED,
                    message,
                    queue="customer_success",
                    severity="high",
                )
        return True

    def _saas_describe_withdrawn(self) -> str:
        """Return what is left to do about the onboarding, empty without any."""
        self.ensure_one()
        own = self.saas_own_project_ids.filtered(lambda one: not one.saas_live_on)
        if own:
            return self.env._(
                "%(order)s was cancelled, its onboarding %(projects)s stands still. "
                "Tell the customer and the team; then archive the project and set the "
                "state of the account, or let sales confirm the order again.",
                order=self.name,
                projects=", ".join(own.mapped("name")),
            )
        # Changes of scope are withdrawn by their request.
        packages = self.saas_package_ids.filtered(
            lambda package: (
                package.project_id.saas_order_id != self
                and not package.project_id.saas_live_on
                and not package.change_request_id
            )
        )
        if packages:
            return self.env._(
                "%(order)s was cancelled, but its packages %(packages)s are part of "
                "%(projects)s. Cancel their tasks and milestones, or let sales confirm "
                "the order again.",
                order=self.name,
                packages=", ".join(packages.mapped("name")),
                projects=", ".join(packages.project_id.mapped("name")),
            )
        return ""

    def _saas_do_create_onboarding(self):
        result = super()._saas_do_create_onboarding()
        if self._saas_resolve(
            ORDER_CANCELLED, self.env._("The order is confirmed again.")
        ):
            for project in self.saas_own_project_ids:
                project._saas_take_up()
        return result
