# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What will be invoiced next, and when; nothing is written."""

from datetime import date, timedelta

from odoo import fields, models

from ..engine.errors import EngineError
from ..engine.ledger import ARREARS, ProposedCharge
from ..exceptions import SubscriptionError
from .saas_subscription import LIVE_STATES

BOUNDARIES_AHEAD = 25


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    next_invoice_date = fields.Date(
        compute="_compute_next_invoice", string="Next Invoice"
    )
    next_invoice_total = fields.Monetary(compute="_compute_next_invoice")
    next_invoice_html = fields.Html(
        compute="_compute_next_invoice", string="Next Invoice Preview", sanitize=False
    )

    def _compute_next_invoice(self):
        today = fields.Date.context_today(self)
        for subscription in self:
            preview = subscription._origin._get_next_invoice(today)
            subscription.next_invoice_date = preview["date"]
            subscription.next_invoice_total = preview["gross"]
            subscription.next_invoice_html = self.env["ir.qweb"]._render(
                "saas_subscription_ops.next_invoice",
                {"preview": preview, "subscription": subscription},
            )

    def action_preview_next_invoice(self) -> dict:
        """Open the preview of the next invoice in a dialog.

        :return: window action
        """
        self.ensure_one()
        view = self.env.ref(
            "saas_subscription_ops.saas_subscription_view_form_next_invoice"
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Next Invoice of %(name)s", name=self.name),
            "res_model": "saas.subscription",
            "res_id": self.id,
            "view_mode": "form",
            "views": [(view.id, "form")],
            "target": "new",
        }

    def _get_next_invoice(self, day: date) -> dict:
        """Return the next invoice in words and money, for people.

        :param date day: the day it is seen from
        :return: ``problem`` (why there is none, else empty), ``date``, ``rows``
            (``label``, ``amount`` as priced), ``net``, ``tax``, ``gross``; money in the
            subscription currency
        """
        preview = {
            "problem": "",
            "date": False,
            "rows": [],
            "net": 0.0,
            "tax": 0.0,
            "gross": 0.0,
        }
        if not self or self.state == "draft":
            return preview
        try:
            due, charges = self._preview_next_invoice(day)
        except (SubscriptionError, EngineError) as error:
            return {**preview, "problem": str(error)}
        charges = sorted(charges, key=self._get_row_key)
        # sudo: the total is for whoever may read the subscription, also without any
        # right on taxes and fiscal positions
        totals = self.sudo()._get_tax_totals(charges)
        return {
            **preview,
            "date": due or False,
            "rows": [
                {
                    "label": self._get_charge_label(charge),
                    "amount": float(charge.amount),
                }
                for charge in charges
            ],
            "net": totals["base_amount_currency"],
            "tax": totals["tax_amount_currency"],
            "gross": totals["total_amount_currency"],
        }

    def _preview_next_invoice(
        self, day: date
    ) -> tuple[date | None, list[ProposedCharge]]:
        """Return the next day on which something is due, and the charges of that day.

        What is due already is due on ``day``; else the search goes over the coming
        billing periods, at most 25 of them. Periods that are running already show what
        is known so far.

        :param date day: first day looked at
        :return: day and engine rows; None and nothing when nothing comes
        :raise BillingError: terms the engine refuses
        """
        self.ensure_one()
        one = timedelta(days=1)
        charges = self._preview_charges(day + one)
        if charges:
            return day, charges
        if self.state not in LIVE_STATES and not self.date_end:
            return None, []
        boundary = day
        for _period in range(BOUNDARIES_AHEAD):
            boundary = self._get_next_boundary(boundary)
            cutoff = boundary + timedelta(days=1 + self.plan_id.grace_days)
            charges = self._preview_charges(cutoff)
            if not charges:
                continue
            # A line of another rhythm may be due before the plan's own boundary.
            first = max(min(map(self._get_due_day, charges)), day)
            return first, self._preview_charges(first + one) or charges
        return None, []

    def _preview_charges(self, date_cutoff: date) -> list[ProposedCharge]:
        """Return the charges a billing run with a cut-off would book.

        :param date date_cutoff: exclusive
        :return: engine rows that are not zero
        """
        return [
            charge
            for charge in self._get_unbooked_charges(date_cutoff)
            if charge.amount
        ]

    def _get_due_day(self, charge: ProposedCharge) -> date:
        """Return the first day on which a charge is due."""
        if charge.timing == ARREARS or charge.kind == "usage":
            return charge.service_end + timedelta(days=self.plan_id.grace_days)
        return charge.service_start

    def _get_row_key(self, charge: ProposedCharge) -> tuple:
        """Return the sort key of the rows: line by line, reductions after charges."""
        line = self.env["saas.subscription.line"].browse(charge.line_id or [])
        return line.sequence, line.id or 0, charge.kind == "credit", charge.ref

    def _get_tax_totals(self, charges: list[ProposedCharge]) -> dict:
        """Return the totals of an invoice with these charges, as Odoo rounds them.

        :param list charges: engine rows
        :return: ``base_amount_currency``, ``tax_amount_currency`` and
            ``total_amount_currency``
        """
        Tax = self.env["account.tax"].with_company(self.company_id)
        position = self.fiscal_position_id or self.env[
            "account.fiscal.position"
        ].with_company(self.company_id)._get_fiscal_position(self.bill_to_id)
        base_lines = []
        for charge in charges:
            product = self._get_charge_product(charge)
            taxes = self._get_tax_product(charge).taxes_id
            taxes = taxes._filter_taxes_by_company(self.company_id)
            base_lines.append(
                Tax._prepare_base_line_for_taxes_computation(
                    None,
                    product_id=product,
                    tax_ids=position.map_tax(taxes),
                    quantity=1.0,
                    price_unit=float(charge.amount),
                    currency_id=self.currency_id,
                    partner_id=self.bill_to_id,
                    rate=1.0,
                )
            )
        Tax._add_tax_details_in_base_lines(base_lines, self.company_id)
        Tax._round_base_lines_tax_details(base_lines, self.company_id)
        return Tax._get_tax_totals_summary(
            base_lines, self.currency_id, self.company_id
        )
