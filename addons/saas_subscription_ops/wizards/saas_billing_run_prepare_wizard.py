# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, fields, models

from ..exceptions import BillingError


class SaasBillingRunPrepareWizard(models.TransientModel):
    """Prepare the runs of several companies in one go: a run belongs to one company."""

    _name = "saas.billing.run.prepare.wizard"
    _description = "Prepare Billing Runs"

    def _default_date_cutoff(self):
        return self.env["saas.billing.run"].default_get(["date_cutoff"])["date_cutoff"]

    company_ids = fields.Many2many(
        "res.company",
        string="Companies",
        required=True,
        default=lambda self: self.env.companies,
        domain=lambda self: [("id", "in", self.env.companies.ids)],
    )
    date_cutoff = fields.Date(
        string="Bill What Is Due Before",
        required=True,
        default=lambda self: self._default_date_cutoff(),
        help="Exclusive, see the billing run.",
    )
    date_invoice = fields.Date(
        string="Invoice Date", required=True, default=fields.Date.context_today
    )
    plan_ids = fields.Many2many(
        "saas.plan", string="Plans", help="Empty: all plans of each company."
    )
    partner_ids = fields.Many2many(
        "res.partner",
        string="Accounts",
        domain="[('is_company', '=', True)]",
        help="Empty: all accounts.",
    )

    def action_confirm(self) -> dict:
        """Create and compute one run per company.

        :return: action showing the runs
        :raise BillingError: a company without any of the plans chosen
        """
        self.ensure_one()
        Run = self.env["saas.billing.run"]
        vals_list = [self._prepare_run_vals(company) for company in self.company_ids]
        runs = Run.create(vals_list)
        runs.action_compute()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_action"
        )
        action["domain"] = [("id", "in", runs.ids)]
        return action

    def _prepare_run_vals(self, company) -> dict:
        """Prepare the run of one company.

        :param company: ``res.company``
        :return: values of ``saas.billing.run``
        """
        plans = self.plan_ids.filtered(
            lambda plan: plan.company_id in (company, company.browse())
        )
        if self.plan_ids and not plans:
            raise BillingError(
                self.env._(
                    "None of the plans belongs to %(company)s. Leave the company out, "
                    "or choose one of its plans.",
                    company=company.name,
                )
            )
        return {
            "company_id": company.id,
            "date_cutoff": self.date_cutoff,
            "date_invoice": self.date_invoice,
            "plan_ids": [Command.set(plans.ids)],
            "partner_ids": [Command.set(self.partner_ids.ids)],
        }
