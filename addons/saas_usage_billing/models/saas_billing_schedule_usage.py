# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import fields, models

from .saas_billing_run_usage_scope import SCOPE_HELP, SCOPES


class SaasBillingSchedule(models.Model):
    """Schedules say whether their runs bill invoices or corrections of usage."""

    _inherit = "saas.billing.schedule"

    usage_scope = fields.Selection(
        SCOPES,
        string="What to Bill",
        required=True,
        default="regular",
        tracking=True,
        help=SCOPE_HELP,
    )

    def _prepare_run_vals(self, day: date, today: date) -> dict:
        """Hand the scope on to the run.

        :param date day: date of the schedule
        :param date today: day on which the run is made
        :return: values of ``saas.billing.run``
        """
        vals = super()._prepare_run_vals(day, today)
        return {**vals, "usage_scope": self.usage_scope}
