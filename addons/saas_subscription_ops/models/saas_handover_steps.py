# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Ready, taken over, returned, and the order and project a handover belongs to."""

from odoo import SUPERUSER_ID, fields, models
from odoo.tools import plaintext2html

from ..exceptions import HandoverError
from .project_project import DELIVERY_GROUPS

INCOMPLETE = "order.handover_incomplete"


class SaasHandover(models.Model):
    _inherit = "saas.handover"

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_ready(self) -> bool:
        """Offer complete handovers to delivery; says what is missing of others.

        :return: True
        :raise HandoverError: something that blocks is missing
        """
        self.check_access("write")
        for handover in self:
            if handover.state == "ready":
                continue
            if handover.missing:
                raise HandoverError(
                    self.env._(
                        "%(name)s is not complete:\n%(missing)s",
                        name=handover.name,
                        missing=handover.missing,
                    )
                )
            handover._do_ready()
        return True

    def _do_ready(self):
        self._set_state(
            {"draft"},
            "ready",
            {"date_ready": fields.Datetime.now(), "question": False},
        )
        self.sudo().activity_feedback(["mail.mail_activity_data_todo"])
        self._saas_emit("handover.ready", {"order": self.sudo().order_id.name or ""})

    def action_take_over(self) -> bool:
        """Take ready handovers over for delivery.

        :return: True
        :raise HandoverError: not for the user, or nothing to deliver yet
        :raise TransitionError: not ready
        """
        self._check_delivery()
        for handover in self.filtered(lambda one: one.state != "taken_over"):
            if not handover.project_id:
                raise HandoverError(
                    self.env._(
                        "%(name)s has no onboarding project yet: it comes with the "
                        "confirmed order.",
                        name=handover.name,
                    )
                )
            handover._agree_date()
            handover._set_state(
                {"ready"},
                "taken_over",
                {
                    "taken_over_by_id": self.env.uid,
                    "taken_over_at": fields.Datetime.now(),
                },
            )
            handover._saas_emit(
                "handover.taken_over", {"project": handover.project_id.id}
            )
        return True

    def _agree_date(self):
        """Taking over means agreeing to the day promised to the customer."""
        # sudo: the step was checked; the agreed day is the manager's to change
        project, day = self.sudo().project_id, self.date_go_live
        if day and not project.saas_live_on and project.saas_go_live_planned != day:
            project.saas_go_live_planned = day

    def action_return(self, question: str) -> bool:
        """Return handovers to sales with a question; the salesperson gets a to-do.

        :param str question: what delivery needs to know
        :return: True
        :raise HandoverError: not for the user, no question, nobody to ask
        :raise TransitionError: sales still works on it
        """
        self._check_delivery()
        question = (question or "").strip()
        if not question:
            raise HandoverError(
                self.env._("Write down what you need to know from sales.")
            )
        for handover in self:
            person = handover._get_person_to_ask()
            handover._set_state(
                {"ready", "taken_over"},
                "draft",
                {
                    "question": question,
                    "taken_over_by_id": False,
                    "taken_over_at": False,
                },
            )
            # The to-do must not vanish with the rights of who asks.
            handover.with_user(SUPERUSER_ID).activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Delivery asks about the handover"),
                note=plaintext2html(question),
                user_id=person.id,
            )
            handover._saas_emit("handover.returned", {"asked": person.id})
        return True

    def action_open_return(self) -> dict:
        """Open the dialog that asks for the question.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Return to Sales"),
            "res_model": "saas.handover.return.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_handover_id": self.id},
        }

    def action_open_project(self) -> dict:
        """Open the onboarding project.

        :return: window action
        """
        self.ensure_one()
        return self.project_id.action_view_tasks()

    def _check_delivery(self):
        """Refuse whoever is not of delivery, or may not see the handover.

        :raise HandoverError: neither project user nor Customer Success
        """
        self.check_access("read")
        user = self.env.user
        if self.env.su or user.has_groups(",".join(DELIVERY_GROUPS)):
            return
        raise HandoverError(
            self.env._(
                "Handovers are taken over or returned by delivery (users of Project) "
                "or Customer Success. Ask one of them."
            )
        )

    def _get_person_to_ask(self):
        """Return who answers for sales: the salesperson, else the team's leader.

        :raise HandoverError: nobody
        """
        self.ensure_one()
        # sudo: who sells is no secret from delivery
        handover = self.sudo()
        team = handover.order_id.team_id or handover.lead_id.team_id
        people = (handover.user_id | team.user_id)._saas_filter_assignable(
            handover.company_id
        )
        if not people:
            raise HandoverError(
                self.env._(
                    "Nobody of sales can be asked about %(name)s: set a salesperson on "
                    "the order or the opportunity.",
                    name=handover.name,
                )
            )
        return people[0]

    # ------------------------------------------------------------------
    # With the order
    # ------------------------------------------------------------------
    def _link(self, order, project):
        """Tie the handover to a confirmed order and its project, once.

        :param order: ``sale.order``
        :param project: ``project.project``, may be empty
        """
        self.ensure_one()
        vals = {}
        if self.order_id != order:
            vals["order_id"] = order.id
        if project and self.project_id != project:
            vals["project_id"] = project.id
        if vals:
            # sudo: whoever confirms the order starts this, also the customer
            self.sudo().write(vals)
        self._settle()

    def _settle(self):
        """Report what a confirmed order's handover lacks, or that it is complete."""
        for handover in self.sudo():
            order = handover.order_id
            if not order or order.state != "sale" or handover.state != "draft":
                continue
            if not handover.missing:
                order._saas_resolve(INCOMPLETE, self.env._("The handover is complete."))
                if not handover.question:
                    handover._do_ready()
                continue
            order._saas_raise(
                INCOMPLETE,
                self.env._(
                    "%(order)s is confirmed, but delivery lacks facts. Complete the "
                    "handover %(name)s:\n%(missing)s",
                    order=order.name,
                    name=handover.name,
                    missing=handover.missing,
                ),
                queue="sales_ops",
                severity="high",
                retry_method="saas_retry_link_handover",
            )

    def _get_form_action(self) -> dict:
        """Return the window action that opens the handover."""
        self.ensure_one()
        return self._get_records_action(name=self.env._("Handover"), context={})
