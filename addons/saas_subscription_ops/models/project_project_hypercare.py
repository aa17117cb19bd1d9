# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from odoo import api, fields, models
from odoo.fields import Domain

from .project_project import INTERNAL


class ProjectProject(models.Model):
    """Special care for the first days after the go-live."""

    _inherit = "project.project"

    saas_hypercare_until = fields.Date(
        string="Hypercare Until",
        copy=False,
        readonly=True,
        index="btree_not_null",
        groups=INTERNAL,
        help="Last day of special care.",
    )
    saas_hypercare_ended_on = fields.Date(
        string="Hypercare Ended", copy=False, readonly=True, groups=INTERNAL
    )

    def _saas_start_hypercare(self):
        """Begin hypercare on the day of the go-live, for the days of the template."""
        self.ensure_one()
        if self.saas_hypercare_days <= 0 or self.saas_hypercare_until:
            return
        last = self.saas_live_on + timedelta(days=self.saas_hypercare_days)
        self.saas_hypercare_until = last
        self._saas_emit(
            "onboarding.hypercare_started",
            {"project": self.name, "last_day": str(last)},
        )

    def _prepare_saas_no_hypercare_vals(self) -> dict:
        """Prepare a project whose go-live is taken back.

        :return: values of ``project.project``
        """
        return {"saas_hypercare_until": False, "saas_hypercare_ended_on": False}

    @api.model
    def _saas_get_check_domain(self, day: date) -> Domain:
        return super()._saas_get_check_domain(day) | Domain(
            [
                ("saas_hypercare_until", "<", day),
                ("saas_hypercare_ended_on", "=", False),
                ("saas_live_on", "!=", False),
                ("is_template", "=", False),
            ]
        )

    def _saas_on_daily_check(self, day: date):
        result = super()._saas_on_daily_check(day)
        if (
            self.saas_live_on
            and self.saas_hypercare_until
            and self.saas_hypercare_until < day
            and not self.saas_hypercare_ended_on
        ):
            self.saas_hypercare_ended_on = day
            self._saas_emit(
                "onboarding.hypercare_ended",
                {"project": self.name, "last_day": str(self.saas_hypercare_until)},
            )
        return result
