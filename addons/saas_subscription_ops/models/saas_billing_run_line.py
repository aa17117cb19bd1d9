# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import split_every

from ..exceptions import BillingError, TransitionError

_logger = logging.getLogger(__name__)

STATES = [
    ("pending", "To Compute"),
    ("ok", "Ready"),
    ("held", "Held"),
    ("excluded", "Excluded"),
    ("posted", "Posted"),
    ("failed", "Failed"),
]
COMPUTE_BATCH = 100
CODE_FAILED = "billing.compute_failed"
CODE_CHANGED = "billing.preview_changed"


class SaasBillingRunLine(models.Model):
    """What one run proposes for one subscription, and what became of it."""

    _name = "saas.billing.run.line"
    _description = "Billing Run Line"
    _inherit = ["saas.mixin", "saas.default.guard"]
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
    comment = fields.Char(help="Needed to hold, release or exclude a line.")
    decided_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    decided_at = fields.Datetime(readonly=True)
    charge_count = fields.Integer(compute="_compute_charge_count")
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

    @api.depends("charge_ids")
    def _compute_charge_count(self):
        for line in self:
            line.charge_count = len(line.charge_ids)

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

    def action_decide(self) -> dict:
        """Ask for one comment and decide on all selected lines.

        :return: window action; the context key ``default_decision`` preselects
        """
        self.run_id._check_role("operator")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_decide_wizard_action"
        )
        action["context"] = {
            "default_line_ids": self.ids,
            "default_decision": self.env.context.get("default_decision"),
        }
        return action

    def action_recompute(self) -> bool:
        """Compute lines of a preview again, decisions on them are dropped.

        :return: True; lines with nothing due any more are gone
        :raise TransitionError: the preview was reviewed already
        """
        self.run_id._check_role("operator")
        for run, lines in self.grouped("run_id").items():
            run._check_state({"computed"})
            # The computing must stand by whoever changed it since.
            run._add_preparer()
            names = ", ".join(lines.subscription_id.mapped("name")[:20])
            lines._compute_preview()
            run.message_post(
                body=self.env._(
                    "Computed again: %(subscriptions)s", subscriptions=names
                )
            )
        return True

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
            line._set_line_state(
                target,
                decided_by_id=self.env.uid,
                decided_at=fields.Datetime.now(),
            )
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
    # Computing
    # ------------------------------------------------------------------
    def _compute_preview(self):
        """Price the lines; those with nothing due are dropped, failing ones kept.

        Repeating it gives the same lines. The memory used does not grow with them.
        """
        for batch in split_every(COMPUTE_BATCH, self.ids):
            # sudo: preview lines are written by the run, their readers only read
            self.sudo().browse(batch)._compute_batch()
            # Also what a long computation keeps: prices, usage, ledger rows.
            self.env.flush_all()
            self.env.invalidate_all()

    def _compute_batch(self):
        self.charge_ids.unlink()
        charges, previews, errors = {}, {}, {}
        for line, (rows, previews[line], error) in self._price_all().items():
            if error:
                errors[line] = error
            else:
                charges[line] = rows
        due = self.browse([line.id for line, rows in charges.items() if rows])
        failed = self.browse([line.id for line in errors])
        due._write_preview(charges, previews)
        for line, error in errors.items():
            line._set_compute_failed(error)
        priced = self - failed
        priced.subscription_id._saas_resolve(CODE_FAILED)
        for run, lines in priced.grouped("run_id").items():
            if run._bills_everything():
                self.env["saas.billing.mark"]._mark(
                    run.date_cutoff, {ln.subscription_id: charges[ln] for ln in lines}
                )
        for run, lines in (priced - due).grouped("run_id").items():
            self._resolve_changed(lines.subscription_id.ids, run)
        (priced - due).unlink()
        due._run_checks()

    @api.model
    def _resolve_changed(self, subscription_ids: list, run):
        """Close what an earlier run could not post, where nothing is due any more.

        :param list subscription_ids: ids of ``saas.subscription`` with nothing due
        :param run: ``saas.billing.run`` that found it, for its cut-off
        """
        # sudo: the queue is finance's, whoever computes; few are open at any time
        waiting = (
            self.env["saas.exception"]
            .sudo()
            .search(
                [
                    ("code", "=", CODE_CHANGED),
                    ("state", "in", ("open", "retrying")),
                    ("res_model", "=", self._name),
                ]
            )
        )
        lines = self.sudo().search(
            [
                ("id", "in", waiting.mapped("res_id")),
                ("subscription_id", "in", subscription_ids),
                ("run_id.date_cutoff", "<=", run.date_cutoff),
                *run._get_settled_domain(),
            ]
        )
        lines._saas_resolve(CODE_CHANGED)

    def _price_all(self) -> dict:
        """Return what is due for each line, or why it can't be computed.

        :return: dict of line to (engine rows, preview values, None) or
            (None, None, error)
        :raise psycopg2.OperationalError: a concurrent transaction; the job repeats
        """
        ids = self.subscription_id.ids
        try:
            with self.env.cr.savepoint(flush=False):
                return {line: line._price(ids) for line in self}
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except psycopg2.Error:
            # The database refused one of them: each in a savepoint of its own.
            return {line: line._price_alone() for line in self}

    def _price_alone(self) -> tuple:
        try:
            with self.env.cr.savepoint(flush=False):
                return self._price(self.subscription_id.ids)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except psycopg2.Error as error:
            _logger.info("%s: %s", self.subscription_id.name, error, exc_info=True)
            return None, None, error

    def _price(self, prefetch_ids: list) -> tuple:
        """Return what is due for a line, or why it can't be computed.

        :param list prefetch_ids: subscriptions priced together; usage is read once for
            all of them
        :return: see ``_price_all``
        :raise psycopg2.Error: the transaction can't go on
        """
        self.ensure_one()
        subscription = self.subscription_id.with_prefetch(prefetch_ids)
        Preview = self.env["saas.billing.run.charge"]
        try:
            rows = self._get_due_charges(subscription)
            vals_list = [
                {
                    **Preview._prepare_preview_vals(subscription, charge),
                    "run_line_id": self.id,
                }
                for charge in rows
            ]
        except psycopg2.Error:
            raise
        except Exception as error:  # noqa: BLE001 - becomes an exception record
            # Whatever can't be priced must not stop the preview of all the others.
            _logger.info("%s: %s", subscription.name, error, exc_info=True)
            return None, None, error
        return rows, vals_list, None

    def _get_due_charges(self, subscription) -> list:
        """Hook: return what the line bills, for its preview and again for posting.

        :param subscription: that of the line, with the records read together with it
        :return: engine rows; all that is not booked by default
        :raise BillingError: terms the engine refuses
        """
        self.ensure_one()
        return subscription._get_unbooked_charges(self.run_id.date_cutoff)

    def _write_preview(self, charges: dict, previews: dict):
        """Store the proposed charges and the amount of the lines."""
        for line in self:
            line._set_line_state(
                "ok",
                amount=float(sum(charge.amount for charge in charges[line])),
                check_results=False,
                reason=False,
                decided_by_id=False,
                decided_at=False,
            )
        self.env["saas.billing.run.charge"].create(
            [vals for line in self for vals in previews[line]]
        )

    def _set_compute_failed(self, error: Exception):
        """Put a line aside that can't be priced, and tell finance."""
        self.ensure_one()
        text = str(error) or repr(error)
        self._set_line_state("failed", reason=text, amount=0.0, check_results=False)
        self.subscription_id._saas_raise(
            CODE_FAILED,
            text,
            queue="finance",
            severity="high",
            retry_method="saas_retry_compute",
        )

    def _saas_account(self):
        return self.partner_id
