# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The way of an onboarding project from its reached milestones to live."""

import logging

from odoo import fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)


class ProjectProject(models.Model):
    _inherit = "project.project"

    def saas_retry_go_live(self):
        """Repeat the go-live step from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        # sudo: delivery may mark milestones, the account belongs to others
        for project in self.sudo():
            project._saas_do_go_live()

    def _saas_run_milestone_step(self, milestone):
        """Record a reached milestone; a failure never takes the mark back."""
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                milestone_key = {"milestone": milestone.id, "name": milestone.name}
                if not self._saas_has_milestone_event(milestone):
                    self._saas_emit("onboarding.milestone_reached", milestone_key)
                self._saas_do_go_live()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:  # noqa: BLE001 - becomes an exception record
            _logger.info("%s: %s", self.name, error, exc_info=True)
            self._saas_raise(
                "onboarding.go_live_failed",
                str(error) or repr(error),
                queue="customer_success",
                severity="high",
                retry_method="saas_retry_go_live",
            )

    def _saas_has_milestone_event(self, milestone) -> bool:
        events = self.env["saas.event"].search(
            [
                ("res_model", "=", self._name),
                ("res_id", "=", self.id),
                ("name", "=", "onboarding.milestone_reached"),
            ]
        )
        return any(event.payload.get("milestone") == milestone.id for event in events)

    def _saas_do_go_live(self):
        """Set the account live when every milestone of all its projects is reached."""
        self.ensure_one()
        milestones = self.milestone_ids
        if self.saas_live_on or not milestones:
            return
        if not all(milestones.mapped("is_reached")):
            return
        self.saas_live_on = fields.Date.context_today(self)
        started = self.saas_started_on or self.saas_live_on
        self._saas_emit(
            "onboarding.live",
            {"project": self.name, "days": (self.saas_live_on - started).days},
        )
        account = self.partner_id.commercial_partner_id
        others = self.search_count(
            [
                ("partner_id", "child_of", account.id),
                ("saas_order_id", "!=", False),
                ("saas_live_on", "=", False),
                ("is_template", "=", False),
            ],
            limit=1,
        )
        if not others and account.saas_lifecycle == "onboarding":
            account.with_context(
                saas_correlation_id=self._saas_correlation()
            )._saas_set_lifecycle(
                "live", self.env._("%(project)s is live", project=self.name)
            )
