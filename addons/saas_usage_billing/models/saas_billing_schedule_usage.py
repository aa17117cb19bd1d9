# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import fields, models

from .saas_billing_run_usage_scope import FLOOR_HELP, SCOPE_HELP, SCOPES, SIGMA_HELP

# Copied into every run.
RUN_FIELDS = ("usage_scope", "usage_sigma", "usage_floor")


class SaasBillingSchedule(models.Model):
    """Schedules say what of usage their runs bill, and what they hold."""

    _inherit = "saas.billing.schedule"

    usage_scope = fields.Selection(
        SCOPES,
        string="What to Bill",
        required=True,
        default="regular",
        tracking=True,
        help=SCOPE_HELP,
    )
    usage_sigma = fields.Float(
        string="Usage Deviation Tolerated",
        default=lambda self: self.env.company.saas_usage_sigma,
        tracking=True,
        aggregator=None,
        help=SIGMA_HELP,
    )
    usage_floor = fields.Monetary(
        string="Usage Difference Tolerated",
        currency_field="usage_currency_id",
        default=lambda self: self.env.company.saas_usage_floor,
        tracking=True,
        aggregator=None,
        help=FLOOR_HELP,
    )
    usage_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )

    _usage_checks_not_negative = models.Constraint(
        "CHECK (COALESCE(usage_sigma, 0) >= 0 AND COALESCE(usage_floor, 0) >= 0)",
        "What is tolerated of unusual usage can't be negative. Enter 0 to check no "
        "usage.",
    )

    def _prepare_run_vals(self, day: date, today: date) -> dict:
        """Hand the scope and the checks on to the run.

        :param date day: date of the schedule
        :param date today: day on which the run is made
        :return: values of ``saas.billing.run``
        """
        vals = super()._prepare_run_vals(day, today)
        return {**vals, **{name: self[name] for name in RUN_FIELDS}}
