# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..engine.variance import check_credit, check_median, check_zero
from ..exceptions import BillingError, PreviewChangedError, TransitionError
from .saas_subscription_billing import to_decimal

_logger = logging.getLogger(__name__)

STATES = [
    ("ok", "Ready"),
    ("held", "Held"),
    ("excluded", "Excluded"),
    ("posted", "Posted"),
    ("failed", "Failed"),
]
HISTORY = 6


class SaasBillingRunLine(models.Model):
    """What one run proposes for one subscription, and what became of it."""

    _name = "saas.billing.run.line"
    _description = "Billing Run Line"
    _inherit = ["saas.mixin"]
    _order = "run_id desc, state, id"
    _check_company_auto = True

    run_id = fields.Many2one(
        "saas.billing.run", required=True, index=True, readonly=True, ondelete="cascade"
    )
    run_state = fields.Selection(related="run_id.state", string="Run State")
    company_id = fields.Many2one(
        related="run_id.company_id", store=True, index=True, precompute=True
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        index=True,
        readonly=True,
        ondelete="restrict",
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id",
        string="Account",
        store=True,
        index=True,
        precompute=True,
    )
    plan_id = fields.Many2one(
        related="subscription_id.plan_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    amount = fields.Monetary(readonly=True, aggregator=None)
    amount_company = fields.Monetary(
        string="Amount (Company Currency)",
        currency_field="company_currency_id",
        compute="_compute_amount_company",
        store=True,
        help="At the rate of the invoice date.",
    )
    state = fields.Selection(
        STATES, default="ok", required=True, readonly=True, index=True
    )
    check_results = fields.Text(
        string="Checks", readonly=True, help="Why the line is held."
    )
    reason = fields.Text(readonly=True, help="Why it failed or was held later.")
    why = fields.Text(compute="_compute_why")
    comment = fields.Char(help="Needed to release or exclude a held line.")
    charge_ids = fields.One2many("saas.billing.run.charge", "run_line_id")
    move_id = fields.Many2one(
        "account.move",
        string="Invoice",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )

    _run_subscription_uniq = models.Constraint(
        "UNIQUE (run_id, subscription_id)",
        "A run has one line per subscription.",
    )

    @api.depends("amount", "run_id.date_invoice", "currency_id")
    def _compute_amount_company(self):
        for line in self:
            line.amount_company = (
                line.currency_id._convert(
                    line.amount,
                    line.company_currency_id,
                    line.company_id,
                    line.run_id.date_invoice or fields.Date.context_today(line),
                )
                if line.currency_id
                else 0.0
            )

    @api.depends("reason", "check_results")
    def _compute_why(self):
        for line in self:
            line.why = line.reason or line.check_results

    @api.depends("run_id", "subscription_id")
    def _compute_display_name(self):
        for line in self:
            line.display_name = f"{line.run_id.name} / {line.subscription_id.name}"

    def write(self, vals):
        if not self.env.su and set(vals) - {"comment"}:
            raise AccessError(
                self.env._(
                    "Only the comment of a billing run line can be written. Use Hold, "
                    "Release or Exclude to decide on it."
                )
            )
        return super().write(vals)

    # ------------------------------------------------------------------
    # Decisions
    # ------------------------------------------------------------------
    def action_hold(self) -> bool:
        """Keep lines out of posting until somebody releases them.

        :return: True
        """
        return self._decide({"ok"}, "held")

    def action_release(self) -> bool:
        """Let held or excluded lines be posted; needs a comment.

        :return: True
        """
        return self._decide({"held", "excluded"}, "ok")

    def action_exclude(self) -> bool:
        """Leave lines to a later run; needs a comment.

        :return: True
        """
        return self._decide({"ok", "held"}, "excluded")

    def action_view_charges(self) -> dict:
        """Open the proposed charges of the line.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": "saas.billing.run.charge",
            "view_mode": "list",
            "domain": [("run_line_id", "=", self.id)],
        }

    def _decide(self, allowed: set, target: str) -> bool:
        """Set the state of lines by a person's decision and write it down.

        :raise BillingError: no comment, or the run was reviewed already
        :raise TransitionError: a line is in another state
        """
        self.check_access("write")
        self.run_id._check_role("operator")
        for line in self:
            line.run_id._check_state({"computed"})
            if line.state == target:
                continue
            if line.state not in allowed:
                raise TransitionError(
                    self.env._(
                        "%(line)s can't be decided on any more.",
                        line=line.display_name,
                    )
                )
            if not (line.comment or "").strip():
                raise BillingError(
                    self.env._(
                        "%(line)s: write down the reason in the comment first.",
                        line=line.display_name,
                    )
                )
            line._log_decision(target)
            line._set_line_state(target)
        self.run_id._add_preparer()
        return True

    def _log_decision(self, target: str):
        labels = dict(self._fields["state"]._description_selection(self.env))
        self.run_id.message_post(
            body=self.env._(
                "%(subscription)s: %(before)s → %(after)s. %(comment)s",
                subscription=self.subscription_id.name,
                before=labels[self.state],
                after=labels[target],
                comment=self.comment,
            )
        )

    def _set_line_state(self, target: str, **vals):
        # sudo: the steps of the run are the only writers of the state
        self.sudo().write({"state": target, **vals})

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    def _run_checks(self):
        """Hold every ready line that one of the checks fires on."""
        history = self._get_history()
        for line in self.filtered(lambda line: line.state == "ok"):
            findings = line._get_findings(history.get(line.subscription_id.id, []))
            if findings:
                line._set_line_state("held", check_results="\n".join(findings))

    def _get_history(self) -> dict:
        """Return the amounts of earlier runs per subscription id, oldest first."""
        rows = self.search(
            [
                ("subscription_id", "in", self.subscription_id.ids),
                ("state", "=", "posted"),
            ],
            order="run_id, id",
        )
        history = {}
        for row in rows:
            amount = to_decimal(row.amount, row.currency_id.decimal_places)
            history.setdefault(row.subscription_id.id, []).append(amount)
        return history

    def _get_findings(self, history: list[Decimal]) -> list[str]:
        """Return, in words, why a person should look at the line.

        Extend it to add a check: call ``super()`` and append a sentence.

        :param list history: amounts of earlier runs, oldest first
        :return: one sentence per finding
        """
        self.ensure_one()
        decimals = self.currency_id.decimal_places
        amounts = [to_decimal(c.amount, decimals) for c in self.charge_ids]
        booked = sum(
            (to_decimal(c.amount, decimals) for c in self.subscription_id.charge_ids),
            Decimal(0),
        )
        run = self.run_id
        findings = [
            check_median(
                sum(amounts, Decimal(0)),
                history[-HISTORY:],
                to_decimal(run.variance_tolerance),
            ),
            check_zero(amounts),
            check_credit(amounts, booked, to_decimal(run.credit_tolerance)),
        ]
        texts = [self._get_finding_text(finding) for finding in findings if finding]
        return texts + self._get_set_up_findings()

    def _get_finding_text(self, finding) -> str:
        subscription = self.subscription_id
        values = {
            "amount": subscription._format_money(finding.amount),
            "reference": subscription._format_money(finding.reference),
        }
        if finding.code == "variance_median":
            return self.env._(
                "%(amount)s is far from the usual %(reference)s.", **values
            )
        if finding.code == "zero_invoice":
            return self.env._("The invoice would ask for nothing.")
        return self.env._(
            "Credits of %(amount)s against %(reference)s booked before.", **values
        )

    def _get_set_up_findings(self) -> list[str]:
        """Return what is missing in the set-up to invoice the line."""
        findings = []
        company = self.company_id
        for product in self.charge_ids.product_id:
            accounts = product.with_company(company)._get_product_accounts()
            if not accounts.get("income"):
                findings.append(
                    self.env._(
                        "%(product)s has no income account: set one on the product "
                        "or its category.",
                        product=product.display_name,
                    )
                )
        if self.currency_id != company.currency_id and not self._has_rate():
            findings.append(
                self.env._(
                    "There is no exchange rate for %(currency)s on %(date)s.",
                    currency=self.currency_id.name,
                    date=self.run_id.date_invoice,
                )
            )
        return findings

    def _has_rate(self) -> bool:
        return bool(
            self.env["res.currency.rate"].search_count(
                [
                    ("currency_id", "=", self.currency_id.id),
                    ("company_id", "in", (False, self.company_id.root_id.id)),
                    ("name", "<=", self.run_id.date_invoice),
                ],
                limit=1,
            )
        )

    # ------------------------------------------------------------------
    # Posting
    # ------------------------------------------------------------------
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

    def _saas_account(self):
        return self.partner_id


class _ProbeDone(Exception):
    """Rolls a successful trial posting back."""
