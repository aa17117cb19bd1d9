# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL

from ..exceptions import LedgerError


class AccountMove(models.Model):
    _name = "account.move"
    _inherit = ["account.move", "saas.mixin"]

    saas_charge_ids = fields.One2many("saas.charge", "move_id", string="Charges")
    saas_charge_count = fields.Integer(compute="_compute_saas_charge_count")

    @api.depends("saas_charge_ids")
    def _compute_saas_charge_count(self):
        counts = dict(
            self.env["saas.charge"]
            # sudo: a number on a button; the rows need the reader's own rights
            .sudo()
            ._read_group([("move_id", "in", self.ids)], ["move_id"], ["__count"])
        )
        for move in self:
            move.saas_charge_count = counts.get(move, 0)

    def action_view_saas_charges(self) -> dict:
        """Open the charges the invoice shows.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        action["domain"] = [("move_id", "=", self.id)]
        action["context"] = {}
        return action

    # ------------------------------------------------------------------
    # The ledger and the invoice say the same
    # ------------------------------------------------------------------
    def button_draft(self):
        self._saas_check_charges_kept()
        return super().button_draft()

    def button_cancel(self):
        self._saas_check_charges_kept()
        return super().button_cancel()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_saas_charges(self):
        self._saas_check_charges_kept()

    def _compute_show_reset_to_draft_button(self):
        result = super()._compute_show_reset_to_draft_button()
        # It would be refused.
        self.filtered("saas_charge_count").show_reset_to_draft_button = False
        return result

    def _saas_check_charges_kept(self):
        """Refuse to take back an invoice whose charges are booked.

        :raise LedgerError: the invoice shows charges
        """
        charged = self.filtered("saas_charge_count")
        if charged:
            raise LedgerError(
                self.env._(
                    "%(moves)s: the charges are booked. Correct the subscription and "
                    "bill the difference, or add a credit note.",
                    moves=", ".join(charged.mapped("display_name")),
                )
            )

    # ------------------------------------------------------------------
    # On paper
    # ------------------------------------------------------------------
    def _get_saas_service_period(self) -> tuple | None:
        """Return the first and last day served by what the invoice shows, if any."""
        self.ensure_one()
        lines = self.invoice_line_ids.filtered("start_date")
        if not lines:
            return None
        return min(lines.mapped("start_date")), max(lines.mapped("end_date"))

    def _get_saas_corrected_names(self) -> str:
        """Return the numbers of the documents a document corrects."""
        self.ensure_one()
        # sudo: the reader of a credit note may know the numbers on it
        return ", ".join(self.sudo().saas_corrected_move_ids.mapped("name"))

    # ------------------------------------------------------------------
    # Numbers
    # ------------------------------------------------------------------
    def _get_last_sequence(self, relaxed=False, with_prefix=None):
        """Look the last number up once per batch and sequence.

        Only the format is taken from it: once the transaction holds the lock on a
        sequence, the next number is counted on by ``sequence.mixin``.
        """
        known = self.env.context.get("saas_last_sequences")
        if known is None:
            return super()._get_last_sequence(relaxed, with_prefix)
        journal = self.journal_id
        key = (
            journal.id,
            self.date,
            self.move_type == "out_refund",
            journal.is_self_billing and self.commercial_partner_id.id,
            relaxed,
            with_prefix,
        )
        if key not in known:
            known[key] = super()._get_last_sequence(relaxed, with_prefix)
        return known[key]

    # ------------------------------------------------------------------
    # Events
    # ------------------------------------------------------------------
    def saas_record_invoice_events(self) -> bool:
        """Write invoice.posted and invoice.paid for invoices with charges, once each.

        :return: True
        """
        self.check_access("write")
        # sudo: accountants post and reconcile without a right on the event ledger
        posted = self.sudo().filtered(
            lambda move: move.state == "posted" and move.saas_charge_count
        )
        posted._saas_emit_once("invoice.posted")
        posted.filtered(
            lambda move: move.payment_state in ("paid", "in_payment")
        )._saas_emit_once("invoice.paid")
        return True

    def _saas_emit_once(self, name: str):
        """Write an event for each invoice that has none of that name yet."""
        if not self:
            return
        groups = self.env["saas.event"]._read_group(
            [
                ("res_model", "=", self._name),
                ("res_id", "in", self.ids),
                ("name", "=", name),
            ],
            ["res_id"],
        )
        known = {res_id for [res_id] in groups}
        self.filtered(lambda move: move.id not in known)._saas_emit(name)

    def _prepare_saas_event_vals(self, name, payload, account, causation):
        if payload is None and name.startswith("invoice."):
            payload = self._get_saas_event_payload()
        return super()._prepare_saas_event_vals(name, payload, account, causation)

    def _get_saas_event_payload(self) -> dict:
        self.ensure_one()
        return {
            "number": self.name,
            "type": self.move_type,
            "untaxed": str(self.amount_untaxed),
            "total": str(self.amount_total),
            "currency": self.currency_id.name,
            "subscriptions": self.saas_charge_ids.subscription_id.mapped("name"),
        }

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_invoiced_recurring(self, kpi, company, date_start, date_end) -> list:
        """Sum the recurring charges invoiced in a period, in company currency.

        Invoices and credit notes count by invoice date, untaxed, at the rate the
        ledger booked them with; corrections of recurring charges are included.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        self.env["account.move.line"].flush_model()
        self.env["saas.charge"].flush_model()
        [[value, count]] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(-SUM(line.balance), 0), COUNT(*)
                  FROM saas_charge charge
                  JOIN account_move_line line ON line.id = charge.move_line_id
                  JOIN account_move move ON move.id = line.move_id
                 WHERE charge.company_id = %(company)s
                   AND charge.base_kind = 'recurring'
                   AND move.state = 'posted'
                   AND move.invoice_date >= %(date_start)s
                   AND move.invoice_date < %(date_end)s
                """,
                company=company.id,
                date_start=date_start,
                date_end=date_end,
            )
        )
        domain = [
            ("company_id", "=", company.id),
            ("base_kind", "=", "recurring"),
            ("move_id.invoice_date", ">=", str(date_start)),
            ("move_id.invoice_date", "<", str(date_end)),
        ]
        return [
            {
                "value": value,
                "currency_id": company.currency_id.id,
                "res_model": "saas.charge",
                "domain": domain,
                "inputs": {"charges": count},
            }
        ]
