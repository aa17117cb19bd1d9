# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..engine.variance import check_credit, check_median, check_zero
from ..exceptions import BillingError, TransitionError
from .saas_subscription_billing import to_decimal

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

    def _saas_account(self):
        return self.partner_id
