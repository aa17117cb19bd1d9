# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

MAX_PERIODS = 2000


class SaasKpiRecomputeWizard(models.TransientModel):
    """Compute KPIs again for a range of days."""

    _name = "saas.kpi.recompute.wizard"
    _description = "Recompute KPIs"

    kpi_ids = fields.Many2many(
        "saas.kpi",
        string="KPIs",
        required=True,
        default=lambda self: self._default_kpi_ids(),
    )
    company_ids = fields.Many2many(
        "res.company",
        string="Companies",
        required=True,
        default=lambda self: self.env.companies,
        domain=lambda self: [("id", "in", self.env.companies.ids)],
    )
    date_from = fields.Date(
        string="From",
        required=True,
        default=lambda self: fields.Date.start_of(
            fields.Date.context_today(self), "month"
        ),
    )
    date_to = fields.Date(
        string="To",
        required=True,
        default=lambda self: fields.Date.context_today(self),
        help="Included. Months are computed whole.",
    )

    @api.model
    def _default_kpi_ids(self):
        if self.env.context.get("active_model") == "saas.kpi":
            return self.env.context.get("active_ids", [])
        return self.env["saas.kpi"].search([])

    def action_recompute(self):
        """Compute the chosen KPIs; what fails becomes an exception on the KPI.

        :return: window action with the values of the range
        :raise UserError: the range is empty, lies in the future or is too long
        """
        self.ensure_one()
        self.kpi_ids.check_access("write")
        if self.date_from > self.date_to:
            raise UserError(self.env._("The first day is after the last day."))
        if self.date_to > fields.Date.context_today(self):
            raise UserError(self.env._("Values of days to come cannot be computed."))
        count = len(self.company_ids) * sum(
            len(kpi._get_periods(self.date_from, self.date_to)) for kpi in self.kpi_ids
        )
        if count > MAX_PERIODS:
            raise UserError(
                self.env._(
                    "That is %(count)s computations, at most %(limit)s go at once."
                    " Choose a shorter range or fewer KPIs.",
                    count=count,
                    limit=MAX_PERIODS,
                )
            )
        self.kpi_ids._compute_range(self.company_ids, self.date_from, self.date_to)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_kpi_value_action"
        )
        action["domain"] = [
            ("kpi_id", "in", self.kpi_ids.ids),
            ("company_id", "in", self.company_ids.ids),
            ("date_end", ">", self.date_from),
            ("date_start", "<=", self.date_to),
        ]
        action["context"] = {"search_default_group_kpi": 1}
        return action
