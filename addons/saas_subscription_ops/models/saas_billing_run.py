# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import split_every

from ..exceptions import BillingError, TransitionError

_logger = logging.getLogger(__name__)

STATES = [
    ("draft", "Draft"),
    ("computed", "Computed"),
    ("reviewed", "Reviewed"),
    ("approved", "Approved"),
    ("posting", "Posting"),
    ("done", "Done"),
]
SCOPE_FIELDS = {
    "company_id",
    "plan_ids",
    "partner_ids",
    "date_cutoff",
    "date_invoice",
    "variance_tolerance",
    "credit_tolerance",
}
PROTECTED_FIELDS = {
    "state",
    "preparer_ids",
    "computed_by_id",
    "computed_at",
    "reviewed_by_id",
    "reviewed_at",
    "approved_by_id",
    "approved_at",
    "line_ids",
}
COMPUTE_BATCH = 500
CHUNK_SIZE = 50


class SaasBillingRun(models.Model):
    """A finance batch: scope, preview, checks, approval by another user, posting."""

    _name = "saas.billing.run"
    _description = "Billing Run"
    _inherit = ["mail.thread", "mail.activity.mixin", "saas.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, readonly=True, copy=False, default="/")
    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        default=lambda self: self.env.company,
        index=True,
    )
    plan_ids = fields.Many2many(
        "saas.plan", string="Plans", check_company=True, help="Empty: all plans."
    )
    partner_ids = fields.Many2many(
        "res.partner",
        string="Accounts",
        domain="[('is_company', '=', True)]",
        help="Empty: all accounts.",
    )
    date_cutoff = fields.Date(
        string="Bill What Is Due Before",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.start_of(
            fields.Date.add(fields.Date.context_today(self), months=1), "month"
        ),
        help="Exclusive. Charges in advance are due when their period starts before "
        "this day, charges in arrears and usage when their period ends by this day.",
    )
    date_invoice = fields.Date(
        string="Invoice Date",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.context_today(self),
    )
    variance_tolerance = fields.Float(
        default=50.0,
        help="A line is held when its amount is further than this many percent from "
        "the median of the subscription's last billing runs.",
    )
    credit_tolerance = fields.Float(
        default=100.0,
        help="A line is held when its credits exceed this many percent of what was "
        "booked for the subscription before.",
    )
    line_ids = fields.One2many("saas.billing.run.line", "run_id", copy=False)
    preparer_ids = fields.Many2many(
        "res.users",
        "saas_billing_run_preparer_rel",
        string="Prepared By",
        readonly=True,
        copy=False,
        help="Everybody who created, computed, decided on or reviewed this run; none "
        "of them may approve it.",
    )
    computed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    computed_at = fields.Datetime(readonly=True, copy=False)
    reviewed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    reviewed_at = fields.Datetime(readonly=True, copy=False)
    approved_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, tracking=True
    )
    approved_at = fields.Datetime(readonly=True, copy=False)
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount_company = fields.Monetary(
        string="Proposed (Company Currency)", compute="_compute_progress"
    )
    line_count = fields.Integer(string="Subscriptions", compute="_compute_progress")
    held_count = fields.Integer(string="Held", compute="_compute_progress")
    excluded_count = fields.Integer(string="Excluded", compute="_compute_progress")
    total_count = fields.Integer(string="To Post", compute="_compute_progress")
    done_count = fields.Integer(string="Posted", compute="_compute_progress")
    failed_count = fields.Integer(string="Failed", compute="_compute_progress")
    progress = fields.Float(compute="_compute_progress", help="Percent posted.")
    invoice_count = fields.Integer(compute="_compute_invoice_count")
    charge_count = fields.Integer(compute="_compute_invoice_count")
    can_approve = fields.Boolean(compute="_compute_can_approve")

    # The database refuses what code paths might forget: an approval by somebody who
    # prepared the run, or a run posted without one.
    _approver_not_preparer = models.Constraint(
        "CHECK (approved_by_id IS NULL OR (approved_by_id IS DISTINCT FROM create_uid"
        " AND approved_by_id IS DISTINCT FROM computed_by_id"
        " AND approved_by_id IS DISTINCT FROM reviewed_by_id))",
        "A billing run is approved by somebody who did not prepare it.",
    )
    _approved_before_posting = models.Constraint(
        "CHECK (state NOT IN ('approved', 'posting', 'done')"
        " OR approved_by_id IS NOT NULL)",
        "A billing run needs an approval before it is posted.",
    )

    @api.depends("line_ids.state", "line_ids.amount_company")
    def _compute_progress(self):
        groups = self.env["saas.billing.run.line"]._read_group(
            [("run_id", "in", self.ids)],
            ["run_id", "state"],
            ["__count", "amount_company:sum"],
        )
        figures = {}
        for run, state, count, amount in groups:
            figures.setdefault(run.id, {})[state] = (count, amount)
        for run in self:
            by_state = figures.get(run.id, {})

            def count(*states, by_state=by_state):
                return sum(by_state.get(state, (0, 0))[0] for state in states)

            run.line_count = count("ok", "held", "excluded", "posted", "failed")
            run.held_count = count("held")
            run.excluded_count = count("excluded")
            run.total_count = count("ok", "posted", "failed")
            run.done_count = count("posted")
            run.failed_count = count("failed")
            run.progress = (
                100.0 * run.done_count / run.total_count if run.total_count else 0.0
            )
            run.amount_company = sum(
                amount
                for state, (_n, amount) in by_state.items()
                if state != "excluded"
            )

    @api.depends("state")
    def _compute_invoice_count(self):
        groups = self.env["saas.charge"]._read_group(
            [("run_id", "in", self.ids)],
            ["run_id"],
            ["__count", "move_id:count_distinct"],
        )
        figures = {run.id: (count, moves) for run, count, moves in groups}
        for run in self:
            run.charge_count, run.invoice_count = figures.get(run.id, (0, 0))

    @api.depends_context("uid")
    @api.depends("state", "preparer_ids")
    def _compute_can_approve(self):
        is_approver = self.env.user.has_group(
            "saas_core.group_saas_core_billing_approver"
        )
        for run in self:
            run.can_approve = (
                is_approver
                and run.state == "reviewed"
                and self.env.user not in run._get_preparers()
            )

    @api.constrains("date_cutoff", "date_invoice")
    def _check_dates(self):
        for run in self:
            if (
                run.date_invoice
                and run.date_cutoff
                and (run.date_cutoff > fields.Date.add(run.date_invoice, years=1))
            ):
                raise ValidationError(
                    self.env._(
                        "The cut-off %(cutoff)s lies more than a year after the "
                        "invoice date %(date)s. Correct one of them.",
                        cutoff=run.date_cutoff,
                        date=run.date_invoice,
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_protected(vals)
            if vals.get("name", "/") == "/":
                company = self.env["res.company"].browse(
                    vals.get("company_id") or self.env.company.id
                )
                # sudo: drawing a number needs no right on sequences
                vals["name"] = (
                    self.env["ir.sequence"]
                    .sudo()
                    .with_company(company)
                    .next_by_code("saas.billing.run")
                )
        runs = super().create(vals_list)
        runs._add_preparer()
        return runs

    def write(self, vals):
        self._check_protected(vals)
        if SCOPE_FIELDS & vals.keys() and any(run.state != "draft" for run in self):
            raise BillingError(
                self.env._(
                    "The scope of a billing run is fixed once it was computed. Reset "
                    "it to draft first."
                )
            )
        return super().write(vals)

    def _check_protected(self, vals):
        """Refuse values that only the run's own steps may set.

        :raise AccessError: somebody tries to set them from outside
        """
        if self.env.su:
            return
        names = PROTECTED_FIELDS & {
            name for name, value in vals.items() if value not in (False, [], "draft")
        }
        if names:
            raise AccessError(
                self.env._(
                    "%(fields)s of a billing run can't be set by hand: use Compute, "
                    "Review, Approve and Post.",
                    fields=", ".join(
                        sorted(self._fields[name].string for name in names)
                    ),
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_posted(self):
        for run in self:
            if run.state not in ("draft", "computed"):
                raise BillingError(
                    self.env._(
                        "%(run)s was reviewed already and stays as evidence. Reset it "
                        "to draft before you delete it.",
                        run=run.name,
                    )
                )

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_compute(self) -> bool:
        """Build the preview: what every subscription in scope still has to be charged.

        :return: True
        :raise TransitionError: the run was approved already
        """
        self._check_role("operator")
        for run in self:
            run._check_state({"draft", "computed", "reviewed"})
            run._do_compute()
            run._set_state(
                {"draft", "computed", "reviewed"},
                "computed",
                computed_by_id=self.env.uid,
                computed_at=fields.Datetime.now(),
                reviewed_by_id=False,
                reviewed_at=False,
            )
        return True

    def action_review(self) -> bool:
        """Declare the preview checked; held lines stay held.

        :return: True
        :raise TransitionError: not computed
        """
        self._check_role("operator")
        for run in self:
            run._set_state(
                {"computed"},
                "reviewed",
                reviewed_by_id=self.env.uid,
                reviewed_at=fields.Datetime.now(),
            )
        return True

    def action_approve(self) -> bool:
        """Approve a reviewed run somebody else prepared.

        :return: True
        :raise AccessError: no approver, or one who took part in the preparation
        :raise TransitionError: not reviewed
        """
        self._check_role("approver")
        for run in self:
            if self.env.user in run._get_preparers():
                raise AccessError(
                    self.env._(
                        "You took part in preparing %(run)s, so somebody else must "
                        "approve it.",
                        run=run.name,
                    )
                )
            run._set_state(
                {"reviewed"},
                "approved",
                approved_by_id=self.env.uid,
                approved_at=fields.Datetime.now(),
            )
        return True

    def action_post(self) -> bool:
        """Hand the approved lines to the job queue, in chunks.

        :return: True
        :raise TransitionError: not approved
        """
        self._check_role("operator", "approver")
        for run in self:
            if run.state == "done":
                _logger.info("%s is done already, nothing to post", run.name)
                continue
            run._set_state({"approved", "posting"}, "posting")
            run._enqueue(run.line_ids.filtered(lambda line: line.state == "ok"))
        return True

    def action_reset(self) -> bool:
        """Go back to draft and drop the preview; only before approval is used.

        :return: True
        :raise TransitionError: posting has begun
        """
        self._check_role("operator", "approver")
        for run in self:
            run._check_state({"draft", "computed", "reviewed", "approved"})
            # sudo: the preview belongs to the run, lines have no delete right
            run.sudo().line_ids.unlink()
            run._set_state(
                {"computed", "reviewed", "approved"},
                "draft",
                approved_by_id=False,
                approved_at=False,
                reviewed_by_id=False,
                reviewed_at=False,
            )
        return True

    def action_retry_failed(self) -> bool:
        """Hand the failed lines to the job queue again.

        :return: True
        :raise TransitionError: not posting or done
        """
        self._check_role("operator", "approver")
        for run in self:
            failed = run.line_ids.filtered(lambda line: line.state == "failed")
            if not failed:
                continue
            run._set_state({"done", "posting"}, "posting")
            failed._set_line_state("ok")
            run._enqueue(failed)
        return True

    def action_view_lines(self) -> dict:
        """Open the preview, one row per subscription.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_line_action"
        )
        action["domain"] = [("run_id", "=", self.id)]
        return action

    def action_view_charges(self) -> dict:
        """Open the charges this run booked.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        action["domain"] = [("run_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_view_invoices(self) -> dict:
        """Open the invoices and credit notes this run posted.

        :return: window action
        """
        self.ensure_one()
        moves = self.line_ids.move_id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Invoices of %(run)s", run=self.name),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", moves.ids)],
            "context": {"create": False},
        }

    # ------------------------------------------------------------------
    # Guards
    # ------------------------------------------------------------------
    def _check_role(self, *roles):
        """Refuse users without one of the billing roles.

        :param str roles: ``operator`` and/or ``approver``
        :raise AccessError: none of them held
        """
        self.check_access("write")
        groups = [f"saas_core.group_saas_core_billing_{role}" for role in roles]
        if not any(self.env.user.has_group(group) for group in groups):
            raise AccessError(
                self.env._(
                    "This step needs the role Billing %(role)s. Ask a SaaS "
                    "administrator.",
                    role=" / ".join(roles),
                )
            )

    def _check_state(self, allowed: set):
        self.ensure_one()
        if self.state not in allowed:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise TransitionError(
                self.env._(
                    "%(run)s is %(state)s; this step needs a run that is %(allowed)s.",
                    run=self.name,
                    state=labels[self.state],
                    allowed=", ".join(
                        label for key, label in labels.items() if key in allowed
                    ),
                )
            )

    def _get_preparers(self):
        """Return everybody who took part in preparing the run."""
        self.ensure_one()
        return (
            self.preparer_ids
            | self.create_uid
            | self.computed_by_id
            | self.reviewed_by_id
        )

    def _add_preparer(self):
        # sudo: the list of preparers is protected from its own writers
        self.sudo().write({"preparer_ids": [Command.link(self.env.uid)]})

    def _set_state(self, allowed: set, target: str, **stamp) -> bool:
        """Move the run to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param stamp: who and when, written with the state
        :return: False when it is there already and nothing is stamped
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target and not stamp:
            return False
        if self.state != target or target not in allowed:
            self._check_state(allowed)
        if target in ("computed", "reviewed"):
            self._add_preparer()
        # sudo: the funnel is the one writer of these fields, roles were checked
        self.sudo().write({"state": target, **stamp})
        return True

    # ------------------------------------------------------------------
    # Computing
    # ------------------------------------------------------------------
    def _get_scope_domain(self) -> list:
        """Return the domain of the subscriptions the run looks at."""
        self.ensure_one()
        domain = [
            ("company_id", "=", self.company_id.id),
            ("state", "!=", "draft"),
            ("date_start", "<", self.date_cutoff),
        ]
        if self.plan_ids:
            domain.append(("plan_id", "in", self.plan_ids.ids))
        if self.partner_ids:
            accounts = self.partner_ids.commercial_partner_id
            domain.append(("commercial_partner_id", "in", accounts.ids))
        return domain

    def _do_compute(self):
        """Replace the preview by a fresh one."""
        # sudo: preview lines are written by the run, their readers only read
        run = self.sudo()
        run.line_ids.unlink()
        subscriptions = run.env["saas.subscription"].search(
            run._get_scope_domain(), order="id"
        )
        for batch in split_every(COMPUTE_BATCH, subscriptions.ids):
            records = run.env["saas.subscription"].browse(batch)
            vals_list = [
                vals for record in records if (vals := run._get_line_vals(record))
            ]
            run.env["saas.billing.run.line"].create(vals_list)
        run.line_ids._run_checks()
        run._report_compute_failures(subscriptions)

    def _report_compute_failures(self, subscriptions):
        """Put subscriptions that can't be priced into finance's queue.

        :param subscriptions: all ``saas.subscription`` that were computed
        """
        code = "billing.compute_failed"
        failed = self.line_ids.filtered(lambda line: line.state == "failed")
        for line in failed:
            line.subscription_id._saas_raise(
                code, line.reason, queue="finance", severity="high"
            )
        (subscriptions - failed.subscription_id)._saas_resolve(code)

    def _get_line_vals(self, subscription) -> dict | None:
        """Return the preview line of a subscription, None when nothing is due."""
        try:
            with self.env.cr.savepoint(flush=False):
                charges = subscription._get_unbooked_charges(self.date_cutoff)
                if not charges:
                    return None
                return self._prepare_line_vals(subscription, charges)
        except (BillingError, ValidationError) as error:
            return {
                "run_id": self.id,
                "subscription_id": subscription.id,
                "state": "failed",
                "reason": str(error),
            }

    def _prepare_line_vals(self, subscription, charges) -> dict:
        """Prepare a preview line with its charges.

        :param subscription: ``saas.subscription``
        :param list charges: engine rows still to book
        :return: values of ``saas.billing.run.line``
        """
        return {
            "run_id": self.id,
            "subscription_id": subscription.id,
            "amount": float(sum(charge.amount for charge in charges)),
            "charge_ids": [
                Command.create(
                    self.env["saas.billing.run.charge"]._prepare_preview_vals(
                        subscription, charge
                    )
                )
                for charge in charges
            ],
        }

    # ------------------------------------------------------------------
    # Posting
    # ------------------------------------------------------------------
    def _enqueue(self, lines):
        """Queue chunks of lines; lines that share an invoice stay together.

        :param lines: ``saas.billing.run.line`` to post
        """
        self.ensure_one()
        chunk = self.env["saas.billing.run.line"]
        for group in lines.grouped(lambda line: line._get_invoice_key()).values():
            chunk |= group
            if len(chunk) >= CHUNK_SIZE:
                self._enqueue_chunk(chunk)
                chunk = chunk.browse()
        if chunk:
            self._enqueue_chunk(chunk)
        self._enqueue_finish()

    def _enqueue_chunk(self, lines):
        self.with_delay(
            description=self.env._(
                "%(run)s: post %(count)s subscriptions",
                run=self.name,
                count=len(lines),
            ),
            identity_key=f"saas_billing_run:{self.id}:chunk:{min(lines.ids)}",
        )._job_post_chunk(lines.ids)

    def _enqueue_finish(self):
        # Every chunk queues one: the last to commit sees all the others.
        self.with_delay(
            description=self.env._("%(run)s: finish", run=self.name), priority=20
        )._job_finish()

    def _job_post_chunk(self, line_ids: list):
        """Post some lines; a line that fails goes to the exception queue.

        Running it twice posts nothing new: the ledger knows what is booked.

        :param list line_ids: ids of ``saas.billing.run.line``
        """
        self.ensure_one()
        if self.state != "posting":
            _logger.info("%s is not posting, chunk left alone", self.name)
            return
        lines = self.env["saas.billing.run.line"].browse(line_ids).exists()
        lines = lines.filtered(lambda line: line.state == "ok")
        for group in lines.grouped(lambda line: line._get_invoice_key()).values():
            group._post_group()
        self._enqueue_finish()

    def _job_finish(self):
        """Close the run when no line is left to post."""
        self.ensure_one()
        left = self.env["saas.billing.run.line"].search_count(
            [("run_id", "=", self.id), ("state", "=", "ok")], limit=1
        )
        if left or self.state != "posting":
            return
        self._set_state({"posting"}, "done")
        self._saas_emit(
            "billing_run.finished",
            {"run": self.name, "posted": self.done_count, "failed": self.failed_count},
        )
