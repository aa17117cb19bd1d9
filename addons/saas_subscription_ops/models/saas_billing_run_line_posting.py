# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from decimal import Decimal

from odoo import fields, models

from ..exceptions import BillingError, PreviewChangedError
from .saas_billing_run_line import CODE_CHANGED

_logger = logging.getLogger(__name__)


class SaasBillingRunLine(models.Model):
    """The way from an approved line to a posted invoice."""

    _inherit = "saas.billing.run.line"

    def _get_invoice_key(self) -> tuple:
        """Return the key of lines that share an invoice."""
        self.ensure_one()
        subscription = self.subscription_id
        if self.plan_id.invoicing_policy == "account":
            # What an invoice has only one of has to be the same.
            return (
                subscription.bill_to_id.id,
                subscription.currency_id.id,
                subscription.payment_term_id.id,
                subscription.fiscal_position_id.id,
            )
        return ("subscription", subscription.id)

    def _get_invoice_groups(self) -> list:
        """Return the lines by invoice, each a recordset."""
        return list(self.grouped(lambda line: line._get_invoice_key()).values())

    def _post_chunk(self):
        """Post lines of any number of invoices; failing ones never stop the others.

        All are posted as one batch. What can't be posted is found by halving the
        batch, down to the single invoice and line.
        """
        # A recordset of its own: all of them are read together.
        unchanged = self.browse(self.ids)._set_changed_aside()
        unchanged._post_groups(unchanged._get_invoice_groups())

    def _set_changed_aside(self):
        """Put aside what is not due as it was approved, before anything is invoiced.

        :return: the other lines
        """
        errors = {}

        def check(lines):
            for line in lines:
                try:
                    line._get_approved_charges()
                except BillingError as error:
                    errors[line] = error

        if self._saas_try(check):
            # Anything else is found by halving, in savepoints.
            return self
        for line, error in errors.items():
            line._set_failed(error)
        return self - self.browse([line.id for line in errors])

    def _post_groups(self, groups: list):
        lines = self.browse().concat(*groups)
        if len(groups) < 2:
            lines._post_group()
        elif lines._saas_try(lambda them: them._do_post()):
            middle = len(groups) // 2
            self._post_groups(groups[:middle])
            self._post_groups(groups[middle:])

    def _post_group(self):
        """Post lines that share an invoice; failing ones never stop the others."""
        errors = self._try_post() if self else {}
        if not errors:
            return
        rest = self - self.browse([line.id for line in errors])
        if rest:
            rest._post_group()

    def _try_post(self) -> dict:
        """Post the lines in a savepoint.

        :return: the error of each line that has to be left out; empty on success
        """
        error = self._saas_try(lambda lines: lines._do_post())
        if not error:
            return {}
        errors = {}
        if len(self) == 1:
            errors[self] = error
        else:
            for line in self:
                line_error = line._saas_try(lambda one: one._probe_post())
                if line_error:
                    errors[line] = line_error
            # Failing together only: nobody can tell which one is to blame.
            errors = errors or dict.fromkeys(self, error)
        for line, line_error in errors.items():
            line._set_failed(line_error)
        return errors

    def _probe_post(self):
        """Post the lines and undo it.

        :raise Exception: why they can't be posted
        """
        try:
            with self.env.cr.savepoint():
                self._do_post()
                raise _ProbeDone()
        except _ProbeDone:
            return

    def _set_failed(self, error: Exception):
        """Put a line aside and tell finance."""
        self.ensure_one()
        changed = isinstance(error, PreviewChangedError)
        text = str(error) or repr(error)
        self._set_line_state("held" if changed else "failed", reason=text)
        self._saas_raise(
            CODE_CHANGED if changed else "billing.post_failed",
            self.env._(
                "%(run)s, %(subscription)s: %(error)s",
                run=self.run_id.name,
                subscription=self.subscription_id.name,
                error=text,
            ),
            queue="finance",
            severity="high",
            retry_method=None if changed else "saas_retry_post",
        )

    def saas_retry_post(self):
        """Post failed lines now, from the exception queue.

        :raise BillingError: still failing
        """
        self.run_id._check_role("operator", "approver")
        for line in self.filtered(lambda line: line.state == "failed"):
            line.run_id._check_state({"posting", "done"})
            # sudo: invoices are made by the run, not by rights of its operator
            line.sudo()._do_post()

    def saas_retry_send(self):
        """Send the invoices of the lines now, from the exception queue.

        :raise UserError: still failing
        """
        self.run_id._check_role("operator", "approver")
        # sudo: invoices are sent by the run, not by rights of its operator
        self.sudo().move_id.saas_retry_send()

    def _do_post(self):
        """Book and invoice the lines' charges, exactly as approved.

        The numbers of the invoices are drawn last: from then on other transactions
        that post in the same journal wait for this one.

        :raise PreviewChangedError: something else is due now
        :raise BillingError: an invoice can't be made as approved
        """
        # sudo: invoices are made by the run, not by rights of its operator; the run
        # was approved by somebody else
        lines = self.sudo()
        if not lines:
            return
        lines.subscription_id._saas_lock()
        charges = {line: line._get_approved_charges() for line in lines}
        groups = lines._get_invoice_groups()
        moves = lines._create_moves(groups, charges)
        lines._book(groups, charges, moves)
        for group, move in zip(groups, moves, strict=True):
            group._set_line_state("posted", move_id=move.id, reason=False)
        # What other runs could not post for these subscriptions is booked now.
        known = self.search(
            [
                ("subscription_id", "in", lines.subscription_id.ids),
                *lines.run_id[:1]._get_settled_domain(),
            ]
        )
        known._saas_resolve(CODE_CHANGED)
        lines._saas_resolve("billing.post_failed")
        moves._saas_link_corrections()
        lines._log_origin(moves)
        lines.env.flush_all()
        lines._number(moves)

    def _number(self, moves):
        """Post the invoices and write their events."""
        Rule = self.env["base.automation"]
        done = {}
        for name in ("posted", "paid"):
            rule = self.env.ref(
                f"saas_subscription_ops.base_automation_account_move_{name}",
                raise_if_not_found=False,
            )
            if rule:
                done[Rule.browse(rule.id)] = moves
        self.env["saas.invoice.builder"]._post_moves(moves, done)
        # The rules would do it one by one.
        moves.saas_record_invoice_events()
        moves._saas_record_credits()
        if self.run_id[:1].send_invoices:
            moves._saas_enqueue_sending()

    def _log_origin(self, moves):
        """Say in the chatter which run made the invoices."""
        body = self.env._("Made by billing run %s.", self.run_id[:1]._get_html_link())
        moves._message_log_batch(bodies=dict.fromkeys(moves.ids, body))

    def _get_approved_charges(self) -> list:
        """Return what is due, after making sure it is what was approved.

        :raise PreviewChangedError: it is not
        """
        self.ensure_one()
        due = self._get_due_charges(self.subscription_id)
        preview = {
            (charge.ref, charge.revision): charge._get_fingerprint()
            for charge in self.charge_ids
        }
        Preview = self.env["saas.billing.run.charge"]
        now = {
            (charge.ref, charge.revision): Preview._get_engine_fingerprint(charge)
            for charge in due
        }
        if now != preview:
            raise PreviewChangedError(
                self.env._(
                    "What is due changed since the approval: %(before)s was approved, "
                    "%(after)s is due now. Bill it with a new run.",
                    before=self.subscription_id._format_money(self.amount),
                    after=self.subscription_id._format_money(
                        sum((charge.amount for charge in due), Decimal(0))
                    ),
                )
            )
        return due

    def _create_moves(self, groups: list, charges: dict):
        """Create the draft invoice or credit note of each group.

        :param list groups: lines by invoice
        :param dict charges: engine rows per line
        :return: ``account.move``, in the order of the groups
        """
        builder = self.env["saas.invoice.builder"].with_company(self.run_id.company_id)
        moves = builder._create_moves(
            [group._prepare_invoice_vals(charges) for group in groups]
        )
        for move in moves:
            self._check_locked(move)
        return moves

    def _prepare_invoice_vals(self, charges: dict) -> dict:
        """Prepare one invoice or credit note of lines that share it."""
        total = sum(
            (charge.amount for line in self for charge in charges[line]), Decimal(0)
        )
        sign = -1 if total < 0 else 1
        vals = self._prepare_move_vals(sign)
        lang = self.subscription_id[:1].bill_to_id.lang
        rows = []
        for line in self:
            subscription = line.subscription_id.with_context(lang=lang)
            if len(self) > 1:
                rows.append(line._prepare_section_vals(subscription))
            rows += [
                subscription._prepare_invoice_line_vals(charge, sign)
                for charge in charges[line]
            ]
        vals["invoice_line_ids"] = [
            fields.Command.create({**row, "sequence": 10 + index})
            for index, row in enumerate(rows)
        ]
        return vals

    def _prepare_section_vals(self, subscription) -> dict:
        """Prepare the heading of one of several subscriptions on an invoice."""
        name = f"{subscription.name} – {subscription.plan_id.name}"
        if subscription.client_order_ref:
            name = f"{name} ({subscription.client_order_ref})"
        return {"display_type": "line_section", "name": name}

    def _prepare_move_vals(self, sign: int) -> dict:
        """Prepare the invoice without its lines.

        :param int sign: 1 for an invoice, -1 for a credit note
        :return: values of ``account.move``
        """
        subscriptions = self.subscription_id
        first = subscriptions[:1]
        partner = first.bill_to_id
        self._check_bill_to(partner)
        self[:1]._check_rate()
        vals = {
            "move_type": "out_invoice" if sign > 0 else "out_refund",
            "partner_id": partner.id,
            "invoice_date": self.run_id.date_invoice,
            "currency_id": first.currency_id.id,
            "company_id": self.run_id.company_id.id,
            "invoice_origin": ", ".join(subscriptions.mapped("name")),
            "invoice_user_id": first.user_id.id,
            "saas_correlation_id": self.run_id._saas_correlation(),
            "ref": self._get_customer_reference(),
        }
        if first.fiscal_position_id:
            vals["fiscal_position_id"] = first.fiscal_position_id.id
        term = (
            first.payment_term_id
            or partner.with_company(self.run_id.company_id).property_payment_term_id
        )
        vals["invoice_payment_term_id"] = term.id
        if not term:
            # Odoo would take today, whatever the date of the invoice.
            vals["invoice_date_due"] = self.run_id.date_invoice
        return vals

    def _get_customer_reference(self) -> str:
        """Return the customer's own references (purchase orders), each once."""
        refs = [
            subscription.client_order_ref or subscription.order_id.client_order_ref
            for subscription in self.subscription_id
        ]
        return ", ".join(dict.fromkeys(ref for ref in refs if ref))

    def _check_bill_to(self, partner):
        """Refuse to bill somebody who was archived meanwhile.

        :raise BillingError: the contact is archived
        """
        if not partner.active:
            raise BillingError(
                self.env._(
                    "%(partner)s is archived. Unarchive the contact, or set another "
                    "invoice address on the subscription, then retry.",
                    partner=partner.display_name,
                )
            )

    def _check_locked(self, move):
        """Refuse to post into a locked period: Odoo would move the date silently.

        :raise BillingError: the invoice date is locked
        """
        locks = move._get_violated_lock_dates(move.invoice_date, True)
        if locks:
            raise BillingError(
                self.env._(
                    "The invoice date %(date)s is locked until %(lock)s. Ask "
                    "accounting to open the period, or reset the run and choose a "
                    "later invoice date.",
                    date=move.invoice_date,
                    lock=max(lock for lock, _field in locks),
                )
            )

    def _book(self, groups: list, charges: dict, moves):
        """Write the ledger rows, each with the invoice line that shows it."""
        vals_list = []
        for group, move in zip(groups, moves, strict=True):
            move_lines = iter(
                move.invoice_line_ids.filtered(
                    lambda line: line.display_type == "product"
                ).sorted("sequence")
            )
            sign = -1 if move.move_type == "out_refund" else 1
            for line in group:
                for charge in charges[line]:
                    move_line = next(move_lines)
                    line._check_invoiced(move_line, charge, sign)
                    vals_list.append(
                        {
                            **line.subscription_id._prepare_charge_vals(charge),
                            "run_id": line.run_id.id,
                            "move_line_id": move_line.id,
                            "move_id": move.id,
                        }
                    )
        self.env["saas.charge"].create(vals_list)

    def _check_invoiced(self, move_line, charge, sign: int):
        """Refuse an invoice line that does not show the charge to the cent.

        :raise BillingError: the price lost digits
        """
        shown = move_line.quantity * move_line.price_unit
        shown *= sign * (1 - move_line.discount / 100)
        if self.currency_id.compare_amounts(shown, float(charge.amount)):
            raise BillingError(
                self.env._(
                    "%(charge)s: the invoice would show %(shown)s instead of %(due)s. "
                    "Raise the decimal accuracy of Product Price.",
                    charge=charge.description,
                    shown=shown,
                    due=charge.amount,
                )
            )


class _ProbeDone(Exception):
    """Rolls a successful trial posting back."""
