# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from ..exceptions import QuoteError
from .saas_change_request import PRICE_GROUPS


class SaleOrder(models.Model):
    """Quotations of change requests tell them what became of them."""

    _name = "sale.order"
    _inherit = ["sale.order", "saas.guard.mixin"]
    _own_fields = ("saas_change_request_id",)

    saas_change_request_id = fields.Many2one(
        "saas.change.request",
        string="Quoted Change",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The change this order was made for. Only the request's latest quotation "
        "can be confirmed.",
    )
    saas_change_request_ids = fields.One2many(
        "saas.change.request",
        "order_id",
        string="Change Requests",
        groups=PRICE_GROUPS,
    )

    def saas_accept_change_requests(self) -> bool:
        """Add the hours and tasks of confirmed change requests to their projects.

        Safe to repeat: each is added once.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_accept_changes(),
            "order.change_failed",
            "customer_success",
            "saas_retry_accept_change_requests",
        )

    def saas_retry_accept_change_requests(self):
        """Repeat the step from the exception queue.

        :raise UserError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_accept_changes())

    def _saas_do_accept_changes(self):
        for request in self.saas_change_request_ids:
            request._accept(self)

    def saas_decline_change_requests(self) -> bool:
        """Tell the change requests of cancelled orders, once.

        :return: True
        """
        self.check_access("write")
        # sudo: who cancels the order need not see what delivery plans
        for order in self.sudo().filtered(lambda order: order.state == "cancel"):
            for request in order.saas_change_request_ids:
                request._withdraw(order)
        return True

    def _saas_check_taken_back(self, amendment):
        """Take a change back as a whole, charge, hours and task, or not at all."""
        # sudo: who cancels the order need not see what delivery did for it
        requests = self.sudo().saas_change_request_ids
        if not requests:
            return super()._saas_check_taken_back(amendment)
        names = {
            "order": self.name,
            "change": ", ".join(requests.mapped("name")),
            "subscription": amendment.subscription_id.name,
        }
        spent = sum(requests.package_id.mapped("hours_spent"))
        if spent:
            raise QuoteError(
                self.env._(
                    "%(order)s is carried out: %(hours)s hours were spent on "
                    "%(change)s. Agree with the customer who pays for them: let "
                    "%(subscription)s charge it and give money back by a credit note, "
                    "or book the hours on another task and cancel again.",
                    hours=round(spent, 2),
                    **names,
                )
            )
        if not amendment._is_only_unbilled_fees():
            raise QuoteError(
                self.env._(
                    "%(order)s is carried out: %(subscription)s was billed for "
                    "%(change)s, or was changed beyond it. Give the money back by a "
                    "credit note, amend %(subscription)s, and close the task.",
                    **names,
                )
            )
        return None

    def _saas_get_quote_problems(self) -> list[str]:
        problems = super()._saas_get_quote_problems()
        problem = self._saas_get_change_problem()
        return [*problems, problem] if problem else problems

    def _saas_get_change_problem(self) -> str:
        """Return why the order must not charge its change, empty when it may.

        A change is charged by one order: of several quotations only the latest counts.
        """
        self.ensure_one()
        # sudo: whether it is the request's quotation, no more
        order = self.sudo()._origin
        request = order.saas_change_request_id
        current = request.order_id
        if not request or current == order:
            return ""
        if not current:
            return self.env._(
                "%(order)s is no quotation of the change %(name)s any more: quote the "
                "change again from its request.",
                order=order.name,
                name=request.name,
            )
        return self.env._(
            "%(order)s was replaced: the change %(name)s is quoted by %(current)s, and "
            "is charged once. Confirm %(current)s, or change its lines to what was "
            "agreed, and leave %(order)s cancelled.",
            order=order.name,
            name=request.name,
            current=current.name,
        )

    def unlink(self):
        # sudo: a deleted quotation leaves the estimate behind
        requests = self.sudo().saas_change_request_ids.filtered(
            lambda request: request.state == "quoted"
        )
        for request in requests:
            request._set_state({"quoted"}, "estimated", {"order_id": False})
        return super().unlink()

    def _saas_needs_handover(self) -> bool:
        # A change is described on its request, delivery knows it already.
        if self.sudo().saas_change_request_ids:
            return False
        return super()._saas_needs_handover()

    def action_view_saas_change_requests(self) -> dict:
        """Open the change request of the quotation.

        :return: window action
        """
        self.ensure_one()
        return self.saas_change_request_ids[:1]._get_records_action(
            name=self.env._("Change Request"), context={}
        )
