# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import models
from odoo.exceptions import UserError

from .saas_usage_control_job import FAILED


class SaasMeter(models.Model):
    """Meters the daily control failed on."""

    _inherit = "saas.meter"

    def saas_retry_control(self):
        """Control the months again that failed, from the exception queue.

        :raise UserError: it fails still
        """
        self.check_access("read")
        # sudo: the control reads and writes for all; the queue is not for everybody
        issues = self.env["saas.exception"].sudo()
        control = self.env["saas.usage.control"].sudo()
        for meter in self:
            failed = issues.search(
                [
                    ("code", "=", FAILED),
                    ("res_model", "=", self._name),
                    ("res_id", "=", meter.id),
                    ("state", "in", ("open", "retrying")),
                ]
            )
            for month in set(failed.mapped("dedup_key")):
                if not control._control_rating(date.fromisoformat(month), meter):
                    raise UserError(
                        self.env._(
                            "%(meter)s can't be controlled yet: the exception says what"
                            " is in the way.",
                            meter=meter.display_name,
                        )
                    )
