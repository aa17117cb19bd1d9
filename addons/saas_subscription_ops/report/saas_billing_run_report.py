# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import defaultdict

from odoo import models

from .saas_billing_run_xlsx import RunWorkbook


class ReportSaasBillingRun(models.AbstractModel):
    """The figures of the run report, the same for PDF and XLSX."""

    _name = "report.saas_subscription_ops.report_saas_billing_run"
    _description = "Billing Run Report"

    def _get_report_values(self, docids, data=None) -> dict:
        """Return the values of the PDF's template.

        :param list docids: ids of ``saas.billing.run``
        :param dict data: not used
        """
        runs = self.env["saas.billing.run"].browse(docids)
        return {
            "doc_ids": docids,
            "doc_model": runs._name,
            "docs": runs,
            "figures": {run.id: self._get_figures(run) for run in runs},
        }

    def _render_xlsx(self, run) -> bytes:
        """Return the run report as a workbook.

        :param run: ``saas.billing.run`` the user may read
        """
        return RunWorkbook(run, self._get_figures(run)).render()

    def _get_figures(self, run) -> dict:
        """Collect what a run did and did not do.

        :param run: ``saas.billing.run`` the user may read
        :return: people, invoices, totals, taxes, lines that were not posted
        :raise AccessError: the run is not the user's to read
        """
        run.check_access("read")
        # sudo: who may read the run may read what it posted; operators, approvers and
        # auditors need no accounting rights for it
        run = run.sudo()
        moves = run.line_ids.move_id.sorted(lambda move: (move.name or "", move.id))
        lines = run.line_ids.sorted("id")
        return {
            "people": self._get_people(run),
            "moves": moves,
            "totals": self._get_totals(moves),
            "taxes": self._get_taxes(moves),
            "open": [
                (label, lines.filtered(lambda line, state=state: line.state == state))
                for state, label in (
                    ("held", self.env._("Held")),
                    ("excluded", self.env._("Excluded")),
                    ("failed", self.env._("Failed")),
                    ("ok", self.env._("Not Posted Yet")),
                )
            ],
        }

    def _get_people(self, run) -> list:
        """Return (what, who, when) of each step."""
        approved = self.env._("Approved")
        if run.is_standing_approval:
            approved = self.env._("Approved (standing approval)")
        steps = (
            (self.env._("Created"), run.create_uid, run.create_date),
            (self.env._("Computed"), run.computed_by_id, run.computed_at),
            (self.env._("Reviewed"), run.reviewed_by_id, run.reviewed_at),
            (approved, run.approved_by_id, run.approved_at),
            (self.env._("Refused"), run.refused_by_id, run.refused_at),
        )
        return [(label, user.name, moment) for label, user, moment in steps if user]

    def _get_totals(self, moves) -> list[dict]:
        """Return the amounts per currency and document type.

        :param moves: ``account.move``
        """
        types = dict(moves._fields["move_type"]._description_selection(self.env))
        rows = []
        groups = moves.grouped(lambda move: (move.currency_id, move.move_type))
        for (currency, move_type), group in sorted(
            groups.items(), key=lambda item: (item[0][0].name, item[0][1])
        ):
            rows.append(
                {
                    "currency": currency,
                    "type": types[move_type],
                    "count": len(group),
                    "untaxed": sum(group.mapped("amount_untaxed_in_currency_signed")),
                    "tax": sum(
                        move.amount_total_in_currency_signed
                        - move.amount_untaxed_in_currency_signed
                        for move in group
                    ),
                    "total": sum(group.mapped("amount_total_in_currency_signed")),
                }
            )
        return rows

    def _get_taxes(self, moves) -> list[dict]:
        """Return base and amount per currency and tax; credit notes count negative.

        :param moves: ``account.move``
        """
        figures = defaultdict(lambda: [0.0, 0.0])
        for line in moves.line_ids:
            # Sales are credits: amounts are shown as the customer sees them.
            if line.display_type == "product":
                for tax in line.tax_ids.flatten_taxes_hierarchy():
                    figures[line.currency_id, tax][0] -= line.amount_currency
                if not line.tax_ids:
                    figures[line.currency_id, line.tax_ids][0] -= line.amount_currency
            elif line.tax_line_id:
                figures[line.currency_id, line.tax_line_id][1] -= line.amount_currency
        return [
            {
                "currency": currency,
                "tax": tax.name or self.env._("No tax"),
                "base": base,
                "amount": amount,
            }
            for (currency, tax), (base, amount) in sorted(
                figures.items(),
                key=lambda item: (item[0][0].name, item[0][1].name or ""),
            )
        ]
