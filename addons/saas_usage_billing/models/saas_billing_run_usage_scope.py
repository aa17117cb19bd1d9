# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Corrections of usage on a document of their own, where the plan wants it."""

from odoo import api, fields, models

#: For runs and schedules.
SCOPES = [
    ("regular", "Invoices"),
    ("corrections", "Usage Corrections Only"),
    ("all", "Everything Together"),
]
SCOPE_HELP = (
    "Invoices: what is due, without usage corrections of plans that bill them on a "
    "document of their own. Usage Corrections Only: just these. Everything Together: "
    "both on one invoice."
)
SIGMA_HELP = (
    "A line is held when the usage of a product is further from the median of its "
    "subscription's last twelve periods than this many robust standard deviations and "
    "half of the median. 0: usage is not checked."
)
FLOOR_HELP = "In company currency. Usage that makes no larger difference is not held."


class SaasBillingRun(models.Model):
    """What a run bills of usage that is corrected, and what usage it holds."""

    _inherit = "saas.billing.run"

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
        aggregator=None,
        help=SIGMA_HELP,
    )
    usage_floor = fields.Monetary(
        string="Usage Difference Tolerated",
        default=lambda self: self.env.company.saas_usage_floor,
        aggregator=None,
        help=FLOOR_HELP,
    )

    _usage_checks_not_negative = models.Constraint(
        "CHECK (COALESCE(usage_sigma, 0) >= 0 AND COALESCE(usage_floor, 0) >= 0)",
        "What is tolerated of unusual usage can't be negative. Enter 0 to check no "
        "usage.",
    )

    @api.model
    def _get_scope_fields(self) -> set[str]:
        own = {"usage_scope", "usage_sigma", "usage_floor"}
        return super()._get_scope_fields() | own

    def _get_scope_domain(self) -> list:
        """Look at plans with corrections of their own only, where nothing else is due.

        :return: see ``saas.billing.run``
        """
        domain = super()._get_scope_domain()
        if self.usage_scope == "corrections":
            domain.append(("plan_id.usage_correction", "=", "own_document"))
        return domain

    def _get_settled_domain(self) -> list:
        """Leave what a run of the other kind could not bill to one of its kind."""
        domain = super()._get_settled_domain()
        if self.usage_scope == "corrections":
            return [*domain, ("run_id.usage_scope", "=", "corrections")]
        if self.usage_scope == "regular":
            domain = [
                *domain,
                "|",
                ("run_id.usage_scope", "!=", "corrections"),
                ("plan_id.usage_correction", "!=", "own_document"),
            ]
        return domain

    def _bills_everything(self) -> bool:
        """Settle nothing by corrections: all else is left to the regular run.

        What a regular run leaves out is usage, which is never settled.
        """
        return super()._bills_everything() and self.usage_scope != "corrections"

    def _filter_usage_scope(self, subscription, charges: list) -> list:
        """Return the charges that the run bills.

        :param subscription: ``saas.subscription``
        :param list charges: engine rows that are due
        """
        self.ensure_one()
        if self.usage_scope == "all":
            return charges
        wanted = self.usage_scope == "corrections"
        return [
            charge
            for charge in charges
            if subscription._is_own_document(charge) == wanted
        ]
