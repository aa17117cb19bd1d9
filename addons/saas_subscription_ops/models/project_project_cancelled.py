# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Onboardings whose order was cancelled stand still until it is confirmed again."""

from datetime import date

from odoo import api, fields, models
from odoo.fields import Domain

from ..exceptions import OnboardingError


class ProjectProject(models.Model):
    _inherit = "project.project"

    saas_is_cancelled = fields.Boolean(
        string="Order Cancelled",
        compute="_compute_saas_is_cancelled",
        store=True,
        help="The order of the onboarding is not confirmed any more: no reminders, "
        "nobody waits, it can't go live.",
        groups="base.group_user",
    )

    @api.depends("saas_order_id.state")
    def _compute_saas_is_cancelled(self):
        for project in self:
            order = project.saas_order_id
            project.saas_is_cancelled = bool(order) and order.state != "sale"

    # ------------------------------------------------------------------
    # Standing still
    # ------------------------------------------------------------------
    def _saas_is_running_onboarding(self) -> bool:
        return super()._saas_is_running_onboarding() and not self.saas_is_cancelled

    def _saas_is_onboarding(self) -> bool:
        return super()._saas_is_onboarding() and not self.saas_is_cancelled

    def _saas_stand_still(self):
        """End waits and alerts of an onboarding whose order was cancelled."""
        self.ensure_one()
        self._saas_sync_waiting(fields.Datetime.now())
        self._saas_sync_alerts([], fields.Date.context_today(self))

    def _saas_take_up(self):
        """Go on with an onboarding whose order was confirmed again."""
        self.ensure_one()
        self._saas_sync_waiting(fields.Datetime.now())
        if self._saas_is_onboarding():
            self._saas_assess(fields.Date.context_today(self))
            # Milestones may have been reached in the meantime.
            self._saas_do_go_live()

    def _saas_check_can_join(self, order):
        """Refuse packages for a project nobody works on any more.

        :param order: ``sale.order`` that brings them
        :raise OnboardingError: names the cure
        """
        self.ensure_one()
        if not self.active:
            raise OnboardingError(
                self.env._(
                    "%(order)s brings packages for %(project)s, which is archived: "
                    "unarchive it, then retry.",
                    order=order.name,
                    project=self.name,
                )
            )
        if self.saas_live_on:
            raise OnboardingError(
                self.env._(
                    "%(order)s brings packages for %(project)s, but it is live: take "
                    "the go-live back and retry, or sell them as a new order.",
                    order=order.name,
                    project=self.name,
                )
            )

    # ------------------------------------------------------------------
    # Live
    # ------------------------------------------------------------------
    def _saas_get_live_obstacles(self) -> list[str]:
        obstacles = super()._saas_get_live_obstacles()
        if self.saas_is_cancelled:
            obstacles.append(
                self.env._(
                    "Its order %(order)s is not confirmed any more: confirm it again, "
                    "or archive the project.",
                    order=self.sudo().saas_order_id.name,  # sudo: the name, no more
                )
            )
        return obstacles

    def _saas_do_go_live(self):
        self.ensure_one()
        if self.saas_is_cancelled:
            # The marks stay; they count once the order is confirmed again.
            return None
        return super()._saas_do_go_live()

    # ------------------------------------------------------------------
    # Where running ones are listed
    # ------------------------------------------------------------------
    @api.model
    def _saas_get_check_domain(self, day: date) -> Domain:
        return super()._saas_get_check_domain(day) & (
            Domain("saas_is_cancelled", "=", False)
            | Domain("saas_live_on", "!=", False)
            | Domain("saas_alert_ids", "any", [("date_closed", "=", False)])
        )

    @api.model
    def _saas_get_open_domain(self, company, date_end) -> list:
        domain = super()._saas_get_open_domain(company, date_end)
        return [("saas_is_cancelled", "=", False), *domain]

    @api.model
    def _get_saas_timeline_domain(self, filters: dict) -> Domain:
        domain = super()._get_saas_timeline_domain(filters)
        return domain & Domain("saas_is_cancelled", "=", False)

    @api.model
    def _saas_portal_get_domain(self) -> list:
        # What was live is the customer's history, the rest is none any more.
        return [
            *super()._saas_portal_get_domain(),
            "|",
            ("saas_is_cancelled", "=", False),
            ("saas_live_on", "!=", False),
        ]
