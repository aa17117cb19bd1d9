# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from .saas_renewal import DECIDED


class CrmLead(models.Model):
    """Renewals stand in the pipeline sales works with, as opportunities like others."""

    _inherit = "crm.lead"

    saas_lead_kind = fields.Selection(
        [("new", "New Business"), ("renewal", "Renewal"), ("expansion", "Expansion")],
        string="Kind of Business",
        default="new",
        required=True,
        index=True,
    )
    saas_renewal_ids = fields.One2many(
        "saas.renewal", "lead_id", string="Terms to Renew", readonly=True
    )
    saas_subscription_ids = fields.Many2many(
        "saas.subscription",
        "saas_subscription_crm_lead_rel",
        "lead_id",
        "subscription_id",
        string="Subscriptions",
        copy=False,
    )
    saas_open_stage_id = fields.Many2one(
        "crm.stage",
        string="Stage Before Won",
        readonly=True,
        copy=False,
        ondelete="set null",
    )

    def _saas_follow_renewals(self):
        """Bring opportunities to what became of their renewals; safe to repeat.

        Won with the last renewal when one of them was renewed, lost when none was,
        open again when a decision was taken back.
        """
        # sudo: the outcome of a contract is no choice of the salesperson
        for lead in self.sudo().with_context(active_test=False):
            renewals = lead.saas_renewal_ids.filtered(lambda r: r.outcome != "moved")
            if not renewals:
                continue
            lead._saas_refresh_worth(renewals)
            outcomes = set(renewals.mapped("outcome"))
            if "open" in outcomes:
                lead._saas_reopen(renewals)
            elif "renewed" in outcomes:
                lead._saas_win()
            elif outcomes <= set(DECIDED):
                lead._saas_lose(renewals)

    def _saas_refresh_worth(self, renewals):
        """Set revenue, deadline and subscriptions to those of the renewals."""
        worth = 0.0
        for renewal in renewals:
            is_renewed = renewal.outcome == "renewed"
            worth += renewal.currency_id._convert(
                renewal.amount_renewed if is_renewed else renewal.amount_available,
                self.company_currency,
                renewal.company_id,
                renewal.term_end,
            )
        vals = {}
        if self.company_currency.compare_amounts(worth, self.expected_revenue):
            vals["expected_revenue"] = worth
        deadline = min(renewals.mapped("term_end"))
        if self.date_deadline != deadline:
            vals["date_deadline"] = deadline
        if self.saas_subscription_ids != renewals.subscription_id:
            vals["saas_subscription_ids"] = [
                fields.Command.set(renewals.subscription_id.ids)
            ]
        if vals:
            self.with_context(mail_auto_subscribe_no_notify=True).write(vals)

    def _saas_win(self):
        if self.won_status == "won":
            return
        self.saas_open_stage_id = self.stage_id
        self.activity_ids.action_done()
        self.action_set_won()

    def _saas_lose(self, renewals):
        if self.won_status == "lost":
            return
        if self.won_status == "won":
            # Cancelled after the renewal was signed: what is won can't be lost.
            self._saas_leave_won_stage()
        reason = renewals.lost_reason_id[:1] or self.lost_reason_id
        self.activity_ids.action_done()
        self.action_set_lost(lost_reason_id=reason.id)

    def _saas_reopen(self, renewals):
        """Open a won or lost opportunity again when a decision was taken back."""
        if self.won_status == "lost":
            by_hand = all(
                renewal.category == "lost" and renewal.is_manual_category
                for renewal in renewals
                if renewal.outcome == "open"
            )
            if not by_hand:
                self.action_restore()
        elif self.won_status == "won" and self.saas_open_stage_id:
            self._saas_leave_won_stage()

    def _saas_leave_won_stage(self):
        """Go back to the stage before it was won, else to the first open one."""
        stage = self.saas_open_stage_id
        if not stage or stage.is_won:
            stage = self._stage_find(domain=[("is_won", "=", False)])
        self.write({"stage_id": stage.id})
        self.saas_open_stage_id = False
        self.action_set_automated_probability()

    # ------------------------------------------------------------------
    # Called by the shipped rule
    # ------------------------------------------------------------------
    def saas_tell_renewals(self) -> bool:
        """Tell open renewals whether sales has given them up, with the reason.

        No contract is cancelled by it. Safe to repeat.

        :return: True
        """
        self.check_access("write")
        # sudo: whoever may lose the opportunity may say so about its renewals
        for lead in self.sudo().with_context(active_test=False):
            renewals = lead.saas_renewal_ids.filtered(lambda r: r.outcome == "open")
            if lead.won_status == "lost":
                renewals._give_up()
                if lead.lost_reason_id:
                    renewals.write({"lost_reason_id": lead.lost_reason_id.id})
            else:
                # What a person chose on the renewal itself is no choice of the lead.
                renewals.filtered("is_given_up")._take_up_again()
        return True
