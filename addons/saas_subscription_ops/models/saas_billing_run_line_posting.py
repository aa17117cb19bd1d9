# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from decimal import Decimal

from odoo import fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..exceptions import BillingError, PreviewChangedError

_logger = logging.getLogger(__name__)


class SaasBillingRunLine(models.Model):
    """The way from an approved line to a posted invoice."""

    _inherit = "saas.billing.run.line"

    def _get_invoice_key(self) -> tuple:
        """Return the key of lines that share an invoice."""
        self.ensure_one()
        subscription = self.subscription_id
        if self.plan_id.invoicing_policy == "account":
            return (subscription.bill_to_id.id, subscription.currency_id.id)
        return ("subscription", subscription.id)

    def _post_group(self):
        """Post lines that share an invoice; failing ones never stop the others."""
        errors = self._try_post()
        if not errors:
            return
        rest = self - self.browse([line.id for line in errors])
        if rest:
            rest._post_group()

    def _try_post(self) -> dict:
        """Post the lines in a savepoint.

        :return: the error of each line that has to be left out; empty on success
        """
        error = self._attempt(self._do_post)
        if not error:
            return {}
        errors = {}
        if len(self) == 1:
            errors[self] = error
        else:
            for line in self:
                line_error = line._attempt(line._probe_post)
                if line_error:
                    errors[line] = line_error
            # Failing together only: nobody can tell which one is to blame.
            errors = errors or dict.fromkeys(self, error)
        for line, line_error in errors.items():
            line._set_failed(line_error)
        return errors

    def _attempt(self, method) -> Exception | None:
        """Run a method in a savepoint and return what went wrong, if anything.

        :raise psycopg2.OperationalError: a concurrent transaction; the job repeats
        """
        try:
            with self.env.cr.savepoint():
                method()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except _ProbeDone:
            return None
        except Exception as error:  # noqa: BLE001 - becomes an exception record
            # Whatever breaks one customer's invoice (accounts, taxes, locks, other
            # modules) must not stop the month end of all the others.
            _logger.info("%s: %s", self.mapped("display_name"), error, exc_info=True)
            return error
        return None

    def _probe_post(self):
        self._do_post()
        raise _ProbeDone()

    def _set_failed(self, error: Exception):
        """Put a line aside and tell finance."""
        self.ensure_one()
        changed = isinstance(error, PreviewChangedError)
        text = str(error) or repr(error)
        self._set_line_state("held" if changed else "failed", reason=text)
        self._saas_raise(
            "billing.preview_changed" if changed else "billing.post_failed",
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

    def _do_post(self):
        """Book and invoice the lines' charges, exactly as approved.

        :raise PreviewChangedError: something else is due now
        :raise BillingError: the invoice can't be made as approved
        """
        # sudo: invoices are made by the run, not by rights of its operator; the run
        # was approved by somebody else
        lines = self.sudo()
        lines.subscription_id._saas_lock()
        charges = {line: line._get_approved_charges() for line in lines}
        move = lines._create_move(charges)
        lines._book(charges, move)
        move.action_post()
        lines._set_line_state("posted", move_id=move.id, reason=False)
        # What other runs could not post for these subscriptions is booked now.
        known = self.search([("subscription_id", "in", lines.subscription_id.ids)])
        known._saas_resolve("billing.preview_changed")
        lines._saas_resolve("billing.post_failed")

    def _get_approved_charges(self) -> list:
        """Return what is due, after making sure it is what was approved.

        :raise PreviewChangedError: it is not
        """
        self.ensure_one()
        due = self.subscription_id._get_unbooked_charges(self.run_id.date_cutoff)
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

    def _create_move(self, charges: dict):
        """Create the draft invoice or credit note of the lines."""
        run = self.run_id
        first = self.subscription_id[:1]
        total = sum(
            (charge.amount for rows in charges.values() for charge in rows), Decimal(0)
        )
        sign = -1 if total < 0 else 1
        line_vals = []
        for line, rows in charges.items():
            subscription = line.subscription_id.with_context(lang=first.bill_to_id.lang)
            for charge in rows:
                vals = subscription._prepare_invoice_line_vals(charge, sign)
                line_vals.append({**vals, "sequence": 10 + len(line_vals)})
        vals = self._prepare_move_vals(sign)
        vals["invoice_line_ids"] = [fields.Command.create(val) for val in line_vals]
        Move = self.env["account.move"].with_company(run.company_id)
        move = Move.create(vals)
        self._check_locked(move)
        return move

    def _prepare_move_vals(self, sign: int) -> dict:
        """Prepare the invoice without its lines.

        :param int sign: 1 for an invoice, -1 for a credit note
        :return: values of ``account.move``
        """
        subscriptions = self.subscription_id
        first = subscriptions[:1]
        return {
            "move_type": "out_invoice" if sign > 0 else "out_refund",
            "partner_id": first.bill_to_id.id,
            "invoice_date": self.run_id.date_invoice,
            "currency_id": first.currency_id.id,
            "company_id": self.run_id.company_id.id,
            "invoice_origin": ", ".join(subscriptions.mapped("name")),
            "invoice_user_id": first.user_id.id,
            "saas_correlation_id": self.run_id._saas_correlation(),
            "ref": ", ".join(
                ref for ref in subscriptions.order_id.mapped("client_order_ref") if ref
            ),
        }

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

    def _book(self, charges: dict, move):
        """Write the ledger rows, each with the invoice line that shows it."""
        move_lines = iter(
            move.invoice_line_ids.filtered(
                lambda line: line.display_type == "product"
            ).sorted("sequence")
        )
        sign = -1 if move.move_type == "out_refund" else 1
        vals_list = []
        for line, rows in charges.items():
            for charge in rows:
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
