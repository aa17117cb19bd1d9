# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which orders need a handover, and what happens with it when they are confirmed."""

from odoo import api, fields, models

from ..exceptions import QuoteError

PAID_STATES = ("authorized", "done")


class SaleOrder(models.Model):
    _inherit = "sale.order"

    saas_handover_ids = fields.One2many("saas.handover", "order_id")
    saas_handover_id = fields.Many2one(
        "saas.handover", string="Handover", compute="_compute_saas_handover"
    )
    saas_needs_handover = fields.Boolean(compute="_compute_saas_handover")
    saas_handover_readiness = fields.Integer(
        string="Handover Readiness", compute="_compute_saas_handover"
    )
    saas_handover_missing = fields.Text(
        string="Handover Lacks", compute="_compute_saas_handover"
    )

    @api.depends(
        "state",
        "opportunity_id.saas_handover_ids.order_id",
        "opportunity_id.saas_handover_ids.missing",
        "saas_handover_ids.missing",
        "company_id.saas_handover_policy",
        "order_line.product_id.saas_onboarding_template_id",
        "order_line.product_uom_qty",
    )
    def _compute_saas_handover(self):
        for order in self:
            handover = order._saas_find_handover()
            order.saas_handover_id = handover.sudo(False)
            order.saas_needs_handover = order._saas_needs_handover()
            order.saas_handover_readiness = handover.readiness
            order.saas_handover_missing = order._saas_describe_handover(handover)

    @api.depends("saas_handover_missing", "signature")
    def _compute_saas_quote_problem(self):
        return super()._compute_saas_quote_problem()

    # ------------------------------------------------------------------
    # Readiness
    # ------------------------------------------------------------------
    def _saas_needs_handover(self) -> bool:
        """Return whether the company wants a handover for the order.

        Only orders that bring an onboarding package are concerned.
        """
        self.ensure_one()
        policy = self.company_id.saas_handover_policy
        if policy == "none" or (policy == "opportunity" and not self.opportunity_id):
            return False
        # sudo: the salesperson need not see the projects of delivery
        return bool(self.sudo()._saas_get_onboarding_templates())

    def _saas_find_handover(self):
        """Return the order's handover, else that of its opportunity if it is free.

        :return: ``saas.handover`` in superuser mode, may be empty
        """
        self.ensure_one()
        # sudo: a colleague's handover counts too
        order = self.sudo()
        own = order.saas_handover_ids[:1]
        return own or order.opportunity_id.saas_handover_ids.filtered(
            lambda handover: (
                not handover.order_id
                or handover.order_id == order._origin
                or handover.order_id.state == "cancel"
            )
        )

    def _saas_describe_handover(self, handover) -> str:
        """Return what the order's handover lacks, or an empty text."""
        if not self._saas_needs_handover():
            return ""
        if not handover:
            return self.env._(
                "The handover to delivery is missing: fill it in with the button "
                "Handover."
            )
        if not handover.missing:
            return ""
        return self.env._(
            "The handover to delivery is not complete:\n%(missing)s",
            missing=handover.missing,
        )

    def _saas_get_quote_problems(self) -> list[str]:
        problems = super()._saas_get_quote_problems()
        return problems + self._saas_get_handover_problems()

    def _saas_get_handover_problems(self) -> list[str]:
        """Return why staff must not send or confirm the order yet.

        A customer who signs or pays is never stopped by what sales left open.
        """
        self.ensure_one()
        if self.state not in ("draft", "sent") or self._saas_is_accepted():
            return []
        missing = self._saas_describe_handover(self._saas_find_handover())
        return [missing] if missing else []

    def _saas_is_accepted(self) -> bool:
        """Return whether the customer has signed or paid, or is doing so."""
        self.ensure_one()
        if self.signature or not self.env.user._is_internal():
            return True
        # sudo: whether it was paid, no more
        payments = self.sudo().transaction_ids
        return any(payment.state in PAID_STATES for payment in payments)

    def action_open_saas_handover(self) -> dict:
        """Open the handover of the order; it is made on first use.

        :return: window action
        """
        self.ensure_one()
        self.check_access("read")
        handover = self._saas_find_handover().sudo(False)
        if not handover:
            self.check_access("write")
            handover = self._saas_create_handover()
        return handover._get_form_action()

    def _saas_create_handover(self):
        """Create the order's handover: on its opportunity, else on the order itself.

        An opportunity whose handover is another order's lends its content. That of a
        colleague is theirs to promise on: the order gets a handover of its own.

        :return: ``saas.handover``
        """
        self.ensure_one()
        Handover = self.env["saas.handover"]
        # sudo: only looked at; what is created goes by the user's rights
        taken = self.sudo().opportunity_id.saas_handover_ids
        if taken:
            vals = taken.copy_data({"lead_id": False, "order_id": self.id})[0]
            return Handover.create(vals)
        lead = self.opportunity_id
        if lead and lead.has_access("write"):
            return Handover.create({"lead_id": lead.id})
        return Handover.create({"order_id": self.id})

    # ------------------------------------------------------------------
    # On confirmation
    # ------------------------------------------------------------------
    def saas_link_handover(self) -> bool:
        """Give delivery the handover of confirmed orders, with the signed document.

        Safe to repeat. What is missing becomes the exception
        ``order.handover_incomplete``, resolved when it is filled in.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_link_handover(),
            "order.handover_link_failed",
            "sales_ops",
            "saas_retry_link_handover",
        )

    def saas_retry_link_handover(self):
        """Repeat the step from the exception queue.

        :raise QuoteError: the handover still lacks something
        """
        self._saas_repeat_step(lambda order: order._saas_do_link_handover())
        for order in self:
            missing = order._saas_find_handover().missing
            if missing:
                raise QuoteError(missing)

    def _saas_do_link_handover(self):
        self.ensure_one()
        handover = self._saas_find_handover()
        if not handover and not self._saas_needs_handover():
            return handover
        handover = handover or self._saas_create_handover()
        project = self._saas_get_handover_project()
        handover._link(self, project)
        self._saas_share_signed_pdf()
        return handover

    def _saas_get_handover_project(self):
        """Return the onboarding project the order's packages are delivered in."""
        self.ensure_one()
        return self.saas_onboarding_project_ids[:1]

    def _saas_do_create_onboarding(self):
        result = super()._saas_do_create_onboarding()
        if self.saas_handover_ids and not self.saas_handover_ids.project_id:
            # Made by a retry: the handover waited for it.
            self._saas_do_link_handover()
        return result

    def unlink(self):
        # sudo: the handover of an order nobody confirmed goes with it
        orphans = self.sudo().saas_handover_ids.filtered(
            lambda handover: not handover.lead_id and not handover.project_id
        )
        result = super().unlink()
        orphans.unlink()
        return result
