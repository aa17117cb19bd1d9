# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What became of a term: written from the contract, as often as one likes."""

from datetime import date

from odoo import api, fields, models
from odoo.tools.misc import format_date

from .saas_renewal import DECIDED, STEP_FAILED, UNDECIDED

DECIDED_BY = {
    "quote": "signature",
    "portal": "signature",
    "schedule": "automatic",
}
#: What a renewal hands on when its term end is moved.
HANDED_ON = (
    "lead_id",
    "amount_target",
    "amount_forecast",
    "category",
    "is_manual_category",
    "is_manual_forecast",
    "is_given_up",
    "category_user_id",
    "category_date",
    "date_forecast",
    "likelihood",
    "likelihood_reasons",
    "signal_data",
    "lost_reason_id",
)


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    is_final = fields.Boolean(
        readonly=True,
        copy=False,
        help="Settled when the term had ended; later backdated changes are still "
        "followed.",
    )

    # ------------------------------------------------------------------
    # Settling
    # ------------------------------------------------------------------
    def _settle(self, fact):
        """Write what the contract says about the end of the term; safe to repeat.

        :param TermEnd fact: see ``saas.subscription._get_term_ends``
        """
        self.ensure_one()
        subscription = self.subscription_id
        before = self.outcome
        vals = {
            "term_start": min(fact.start, fact.end),
            "outcome": fact.outcome,
            **subscription._prepare_renewal_amounts(fact),
            **self._prepare_decision(fact),
        }
        if fact.outcome == "open":
            vals.update(subscription._prepare_renewal_dates(fact), is_final=False)
        order = fact.amendment.order_id if fact.outcome == "renewed" else None
        if order:
            vals["order_id"] = order.id
        if fact.outcome == "cancelled" and not self.lost_reason_id:
            vals["lost_reason_id"] = fact.amendment.reason_id.lost_reason_id.id
        changed = self._write_changed(vals)
        if fact.outcome != before:
            self._on_outcome(before)
        elif changed:
            self.lead_id._saas_follow_renewals()
        if self.outcome == "open":
            self._resume_steps()

    def _resume_steps(self):
        """Let the daily job look at what is still to be done, if anything is.

        A record that took the place of another one was open from the beginning.
        """
        self.ensure_one()
        if not self.date_next_step and self._get_open_steps():
            self.date_next_step = self.date_window

    def _prepare_decision(self, fact) -> dict:
        """Return when, by what and in time or not it was decided."""
        if fact.outcome == "open":
            return {"date_decided": False, "decided_by": False, "is_on_time": False}
        if fact.outcome == "expired":
            return {
                "date_decided": fact.end,
                "decided_by": "expiry",
                # Nobody decided, unless the loss was told before.
                "is_on_time": self.category == "lost" and self.is_manual_category,
            }
        amendment = fact.amendment
        decided = fact.end
        by = DECIDED_BY.get(amendment.source, "staff")
        if by != "automatic":
            moment = amendment.confirmed_at or amendment.create_date
            decided = fields.Datetime.context_timestamp(
                amendment.with_context(tz=self.subscription_id.tz), moment
            ).date()
        if fact.outcome == "cancelled":
            by = "cancellation"
        return {
            "date_decided": decided,
            "decided_by": by,
            "is_on_time": decided <= fact.end,
        }

    def _write_changed(self, vals: dict) -> bool:
        """Write what differs only: a repeat leaves no trace.

        :return: whether anything did
        """
        self.ensure_one()
        changed = {}
        for name, value in vals.items():
            field = self._fields[name]
            present = self[name].id if field.type == "many2one" else self[name]
            if field.type == "monetary":
                if self.currency_id.compare_amounts(present, value):
                    changed[name] = value
            elif (present or False) != (value or False):
                changed[name] = value
        if changed:
            self.write(changed)
        return bool(changed)

    def _on_outcome(self, before: str):
        """React to another outcome: event, opportunity, to-dos.

        :param str before: the outcome until now
        """
        self.ensure_one()
        if self.outcome in DECIDED:
            self._saas_emit("renewal.decided", self._get_payload())
            self._saas_resolve(UNDECIDED)
            self._saas_resolve(STEP_FAILED)
            self.problem = False
            self.date_next_step = False
            self.activity_ids.action_done()
        elif self.outcome == "open":
            self.date_next_step = self.date_window
            if before == "cancelled":
                self.lost_reason_id = False
            if before in DECIDED:
                self._saas_emit("renewal.reopened", self._get_payload())
        self.lead_id._saas_follow_renewals()

    def _get_payload(self) -> dict:
        """Return what the events of the renewal say."""
        self.ensure_one()
        return {
            "subscription": self.subscription_id.name,
            "term_end": str(self.term_end),
            "outcome": self.outcome,
            "decided_by": self.decided_by or "",
            "on_time": self.is_on_time,
            "available": str(self.amount_available),
            "renewed": str(self.amount_renewed),
            "currency": self.currency_id.name,
        }

    # ------------------------------------------------------------------
    # A term end that was moved
    # ------------------------------------------------------------------
    def _move_to(self, others):
        """Hand on what is known to the records of the new term ends.

        :param others: records that were made or came back, as many as there are
        """
        others = others.sorted("term_end")
        for index, renewal in enumerate(self.sorted("term_end")):
            other = others[index : index + 1]
            if other:
                renewal._hand_on(other)
            renewal.write(
                {
                    "outcome": "moved",
                    "date_decided": False,
                    "decided_by": False,
                    "is_on_time": False,
                    "problem": False,
                    "date_next_step": False,
                    **dict.fromkeys(
                        (
                            "amount_renewed",
                            "amount_pure",
                            "amount_expansion",
                            "amount_contraction",
                            "amount_lost",
                        ),
                        0.0,
                    ),
                }
            )
            renewal._saas_resolve(UNDECIDED)
            renewal._saas_resolve(STEP_FAILED)

    def _hand_on(self, other):
        """Give opportunity, quotation, forecast and steps to another record.

        :param other: the record that takes the place of this one
        """
        self.ensure_one()
        vals = {name: self[name] for name in HANDED_ON}
        if not self.lead_id:
            vals.pop("lead_id")
        if self.opened_on:
            vals["opened_on"] = self.opened_on
        order = self.order_id
        if order and order.saas_start_date == other.term_end:
            vals["order_id"] = order
        other.write(
            {
                name: value.id if isinstance(value, models.BaseModel) else value
                for name, value in vals.items()
            }
        )
        taken = other.step_log_ids.step_id
        # What was done for the old end and would be due for the new one is done.
        self.step_log_ids.filtered(
            lambda log: (
                log.step_id not in taken
                and log.result != "failed"
                and other._get_step_day(log.step_id) <= log.done_on
            )
        ).copy({"renewal_id": other.id})
        self.lead_id = False
        body = self.env._(
            "The term ends on %(day)s instead of %(before)s.",
            day=format_date(self.env, other.term_end),
            before=format_date(self.env, self.term_end),
        )
        (self | other)._message_log_batch(
            bodies=dict.fromkeys((self | other).ids, body)
        )

    # ------------------------------------------------------------------
    # Quotation
    # ------------------------------------------------------------------
    @api.model
    def _link_order(self, order):
        """Tell the renewal of the quoted term about its quotation.

        :param order: renewal quotation
        """
        # sudo: the link follows from the quotation, whoever made it
        renewal = self.sudo().search(
            [
                ("subscription_id", "=", order.saas_amended_subscription_id.id),
                ("outcome", "=", "open"),
            ],
            order="term_end",
            limit=1,
        )
        if renewal and order.state != "cancel":
            renewal._write_changed({"order_id": order.id})
            if order.state in ("sent", "sale"):
                renewal.quote_activity_id.filtered("active").action_done()
            if renewal.lead_id and not order.opportunity_id:
                # sudo: see above
                order.sudo().opportunity_id = renewal.lead_id

    def _get_step_day(self, step) -> date:
        """Return the day a step is due: not before the term begins."""
        self.ensure_one()
        day = fields.Date.subtract(self.term_end, days=step.days_before)
        return max(day, self.term_start or day)
