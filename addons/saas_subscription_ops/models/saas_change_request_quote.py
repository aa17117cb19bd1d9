# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From an estimated change to its quotation, and to hours and a task."""

from odoo import Command, fields, models
from odoo.exceptions import AccessError
from odoo.tools import float_round, plaintext2html

from ..exceptions import ChangeRequestError

QUOTE_GROUPS = (
    "sales_team.group_sale_salesman",
    "saas_core.group_saas_core_customer_success",
    "saas_core.group_saas_core_subscription_manager",
)
WITHDRAWN = "onboarding.change_withdrawn"


class SaasChangeRequest(models.Model):
    _inherit = "saas.change.request"

    # ------------------------------------------------------------------
    # Quotation
    # ------------------------------------------------------------------
    def action_quote(self) -> dict:
        """Make the quotation of an estimated or declined change.

        It amends the running subscription of the project; without one it is an
        ordinary order.

        :return: window action of the quotation, or of the request for those who may
            not see quotations
        :raise AccessError: not for the user
        :raise ChangeRequestError: no product to sell it as, or an unfit one, or an
            earlier quotation is open again
        :raise TransitionError: not estimated, or quoted already
        """
        self.ensure_one()
        self.check_access("write")
        self._check_may_quote()
        self._check_state({"estimated", "declined"}, "quoted")
        self._check_product()
        self._check_no_open_order()
        # sudo: Customer Success quotes changes without any right on other orders
        order = self.sudo()._create_order()
        self._set_state({"estimated", "declined"}, "quoted", {"order_id": order.id})
        self.sudo().activity_feedback(["mail.mail_activity_data_todo"])
        seen = order.sudo(False)
        if seen.has_access("read"):
            return seen._saas_get_form_action()
        self._plan_activity(
            order.user_id, self.env._("Send the quotation %(order)s", order=order.name)
        )
        return self._get_records_action(context={})

    def action_view_order(self) -> dict:
        """Open the quotation of the change.

        :return: window action
        """
        self.ensure_one()
        return self.order_id._saas_get_form_action()

    def action_view_task(self) -> dict:
        """Open the task the accepted change became.

        :return: window action
        """
        self.ensure_one()
        return self.task_id._get_records_action(context={})

    def _check_may_quote(self):
        user = self.env.user
        if not self.env.su and not user.has_groups(",".join(QUOTE_GROUPS)):
            raise AccessError(
                self.env._(
                    "Changes are quoted by sales, Subscription Managers or Customer "
                    "Success. Ask one of them; the estimate is kept."
                )
            )

    def _check_no_open_order(self):
        """Refuse a second order for a change that one charges, or could.

        :raise ChangeRequestError: names it and the cure
        """
        # sudo: whether there is one, no more
        orders = self.sudo().order_ids.filtered(lambda own: own.state != "cancel")
        if orders:
            raise ChangeRequestError(
                self.env._(
                    "%(order)s was made for %(name)s and is open: send or confirm it, "
                    "or cancel it before the change is quoted again.",
                    order=orders[0].name,
                    name=self.name,
                )
            )

    def _check_product(self):
        """Refuse a change that can't be charged as it is.

        :raise ChangeRequestError: names the setting and the cure
        """
        product = self.product_id
        subscription = self._get_subscription()
        if not product:
            name = (
                "saas_change_product_id"
                if subscription
                else "saas_change_order_product_id"
            )
            field = self.env["res.company"]._fields[name]
            raise ChangeRequestError(
                self.env._(
                    "There is no product to sell %(name)s as: choose one on the "
                    "request, or set '%(setting)s' in the settings of SaaS Operations.",
                    name=self.name,
                    setting=field._description_string(self.env),
                )
            )
        kind = product.saas_charge_kind
        if subscription and kind != "one_time":
            raise ChangeRequestError(
                self.env._(
                    "%(product)s can't be charged once by %(subscription)s: choose a "
                    "product whose subscription charge is One-time.",
                    product=product.display_name,
                    subscription=subscription.name,
                )
            )
        if not subscription and kind:
            raise ChangeRequestError(
                self.env._(
                    "%(project)s has no running subscription that could charge "
                    "%(product)s: choose a product without a subscription charge.",
                    project=self.project_id.name,
                    product=product.display_name,
                )
            )

    def _create_order(self):
        """Create the quotation; see ``action_quote``.

        :return: ``sale.order``
        """
        self.ensure_one()
        subscription = self._get_subscription()
        if subscription:
            start = max(fields.Date.context_today(self), subscription.date_start)
            order = subscription._create_quote("amendment", start)
        else:
            order = self.env["sale.order"].create(self._prepare_order_vals())
        order.saas_change_request_id = self
        order.order_line = [Command.create(self._prepare_order_line_vals(order))]
        return order

    def _prepare_order_vals(self) -> dict:
        """Prepare the order of a change without a subscription.

        :return: values of ``sale.order``
        """
        self.ensure_one()
        origin = self.project_id.saas_order_id
        return {
            "partner_id": (origin.partner_id or self.partner_id).id,
            "partner_invoice_id": (origin.partner_invoice_id or self.partner_id).id,
            "company_id": self.company_id.id,
            "user_id": (self.salesperson_id or self.env.user).id,
            "origin": origin.name,
            "sale_order_template_id": False,
        }

    def _prepare_order_line_vals(self, order) -> dict:
        """Prepare the line that sells the change, at exactly its price.

        Sold by the hour where that gives the price to the cent, else as one piece.

        :param order: ``sale.order`` whose currency counts
        :return: values of ``sale.order.line``
        """
        price = self.currency_id._convert(
            self.price,
            order.currency_id,
            self.company_id,
            fields.Date.context_today(self),
        )
        digits = self.env["decimal.precision"].precision_get("Product Price")
        quantity = self._get_quantity() or 1.0
        unit_price = float_round(price / quantity, precision_digits=digits)
        if order.currency_id.compare_amounts(unit_price * quantity, price):
            quantity, unit_price = 1.0, price
        return {
            "product_id": self.product_id.id,
            "name": "\n".join(
                filter(None, (f"{self.product_id.name}: {self.name}", self.description))
            ),
            "product_uom_qty": quantity,
            "price_unit": unit_price,
            "discount": 0,
            "sequence": 1000,
        }

    # ------------------------------------------------------------------
    # What became of it
    # ------------------------------------------------------------------
    def _accept(self, order):
        """Add the hours and a task to the project, once.

        :param order: confirmed ``sale.order``
        """
        self.ensure_one()
        if self.state == "accepted":
            return
        if not self.package_id:
            self.package_id = self._create_package(order)
        if not self.task_id:
            self.task_id = self.env["project.task"].create(self._prepare_task_vals())
        self._set_state({"quoted", "estimated", "declined", "cancelled"}, "accepted")
        self._saas_emit(
            "onboarding.change_accepted",
            {"project": self.project_id.id, "order": order.name, "hours": self.hours},
        )

    def _create_package(self, order):
        """Add the hours of the accepted change to the project's budget.

        :param order: confirmed ``sale.order``
        :return: ``saas.onboarding.package``
        """
        line = order.order_line.filtered(
            lambda own: (
                own.product_id == self.product_id and not own.saas_continued_line_id
            )
        )[-1:]
        return self.project_id._saas_create_package(
            order, line, hours_budget=self.hours, change_request_id=self.id
        )

    def _prepare_task_vals(self) -> dict:
        """Prepare the task of the accepted change.

        :return: values of ``project.task``
        """
        manager = self.project_id.user_id._saas_filter_assignable(self.company_id)
        return {
            "name": self.name,
            "project_id": self.project_id.id,
            "description": self.description and plaintext2html(self.description),
            "allocated_hours": self.hours,
            "saas_package_id": self.package_id.id,
            "user_ids": [Command.set(manager.ids)],
        }

    def _withdraw(self, order):
        """Follow a cancelled quotation or order.

        :param order: cancelled ``sale.order``
        """
        self.ensure_one()
        if self.state == "quoted":
            self._set_state({"quoted"}, "declined")
            self.message_post(
                body=self.env._(
                    "Quotation %(order)s was cancelled. Quote the change again, "
                    "estimate it anew, or cancel it.",
                    order=order.name,
                )
            )
        elif self.state == "accepted" and not self._take_back():
            self._saas_raise(
                WITHDRAWN,
                self.env._(
                    "Order %(order)s was cancelled, but %(hours)s hours were spent on "
                    "%(name)s already. Agree with the customer who pays for them, and "
                    "close the task.",
                    order=order.name,
                    hours=self.package_id.hours_spent,
                    name=self.name,
                ),
                queue="customer_success",
            )

    def _take_back(self) -> bool:
        """Take an accepted change off the project again, unless work was done.

        :return: whether it was taken off
        """
        if self.package_id.hours_spent:
            return False
        self.task_id.active = False
        package = self.package_id
        self._set_state(
            {"accepted"}, "declined", {"package_id": False, "task_id": False}
        )
        package.unlink()
        return True
