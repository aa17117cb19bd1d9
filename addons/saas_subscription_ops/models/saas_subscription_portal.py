# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a customer may see and do on the portal.

The controllers check that the visitor may read the subscription, then come here with
sudo: customers have no rights on plans, coupons, charges and amendments. What they may
do is what the plan allows, and that is checked here, in one place.
"""

from datetime import date

from odoo import Command, fields, models

from ..engine.period import periods
from ..engine.service import ServiceCalendar
from ..exceptions import AmendmentError
from .saas_subscription import LIVE_STATES

PENDING = ("draft", "to_approve", "scheduled")


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # What is shown
    # ------------------------------------------------------------------
    def _portal_get_values(self) -> dict:
        """Return what the page of one subscription shows.

        :return: plain values and records, read with the rights of the environment
        """
        self.ensure_one()
        today = fields.Date.context_today(self)
        lines = self.line_ids.filtered(
            lambda line: line.timeline_state in ("running", "ahead")
        )
        return {
            "lines": lines.sorted(lambda line: (line.date_start, line.sequence)),
            "amendments": self.amendment_ids.filtered(
                lambda amendment: (
                    amendment.state in PENDING
                    and (amendment.state != "draft" or amendment.source == "portal")
                )
            )._by_date(),
            "coupons": self.coupon_ids,
            "next_invoice": self._get_next_invoice(today),
            "mode_change": self._portal_get_mode("quantity"),
            "mode_cancel": self._portal_get_mode("cancel"),
        }

    def _portal_get_mode(self, kind: str) -> str:
        """Return whether the customer may do something: none, request or direct.

        :param str kind: ``quantity`` or ``cancel``
        """
        self.ensure_one()
        plan = self.plan_id
        if self.state not in LIVE_STATES:
            return "none"
        if kind == "cancel":
            return "none" if self.has_scheduled_cancel else plan.portal_cancel
        return plan.portal_change if self._get_lines_ahead() else "none"

    def _portal_get_cancel_day(self, day: date) -> date:
        """Return the day a cancellation asked for on a day takes effect.

        The end of the term after notice and minimum term; without a term the next
        billing period after the minimum term.

        :param date day: the day it is asked for
        """
        self.ensure_one()
        end = self._get_term_end_for("cancel", day)
        minimum = self.min_term_end
        while minimum and end < minimum:
            months = self.plan_id.term_months
            end = (
                fields.Date.add(end, months=months)
                if self.term_end and months
                else self._get_next_boundary(end)
            )
        return end

    # ------------------------------------------------------------------
    # What is asked for
    # ------------------------------------------------------------------
    def _portal_prepare_change(self, quantities: dict, effective: str) -> dict:
        """Prepare a change of quantities the customer asks for.

        Less takes effect with the next billing period of what is changed, whatever
        was asked.

        :param dict quantities: new quantity per line id, as numbers
        :param str effective: ``now`` or ``next_period``
        :return: values of ``saas.amendment``
        :raise AmendmentError: not offered, unknown lines, or nothing changes
        """
        self.ensure_one()
        self._portal_check_offered("quantity")
        lines = self._get_lines_ahead()
        if set(quantities) - set(lines.ids):
            raise AmendmentError(
                self.env._("These products can't be changed. Reload the page.")
            )
        changed = lines.filtered(
            lambda line: line.id in quantities and quantities[line.id] != line.quantity
        )
        if not changed:
            raise AmendmentError(
                self.env._("Nothing changes yet: enter another quantity.")
            )
        for line in changed:
            self._portal_check_quantity(line, quantities[line.id])
        when = {"effective": "now" if effective == "now" else "next_period"}
        if any(quantities[line.id] < line.quantity for line in changed):
            # Periods that began are paid for: nothing of them is credited.
            today = fields.Date.context_today(self)
            when = {
                "effective": "date",
                "date_effective": max(
                    self._get_next_line_boundary(line, today) for line in changed
                ),
            }
        return {
            "subscription_id": self.id,
            "kind": "quantity",
            **when,
            "source": "portal",
            "line_ids": [
                Command.create(
                    self._prepare_change(
                        {"line_id": line.root_id.id, "quantity": quantities[line.id]}
                    )
                )
                for line in changed
            ],
        }

    def _portal_check_quantity(self, line, quantity: float):
        """Refuse quantities a customer may not choose.

        Parts of a unit would end a line for next to nothing, past the minimum term
        and the notice of a cancellation.

        :param line: ``saas.subscription.line``
        :param float quantity: what the customer entered, any number
        :raise AmendmentError: below one unit, or not a whole number of them
        """
        if not 0 < quantity < 1e9:
            raise AmendmentError(
                self.env._(
                    "%(line)s: enter a quantity above zero. Cancel the "
                    "subscription, or write to us, to end it.",
                    line=line.name,
                )
            )
        step = line._portal_get_step()
        if quantity < step or quantity != round(quantity / step) * step:
            raise AmendmentError(
                self.env._(
                    "%(line)s: enter a whole multiple of %(step)g.",
                    line=line.name,
                    step=step,
                )
            )

    def _get_next_line_boundary(self, line, day: date) -> date:
        """Return the start of a line's next billing period after a day.

        :param line: recurring ``saas.subscription.line``
        :param date day: calendar date in the subscription's time zone
        :return: date; see ``_get_next_boundary``, in the rhythm of the line
        """
        self.ensure_one()
        terms = self._get_plan_terms()
        calendar = ServiceCalendar(terms.pauses)
        # What starts later is paid for one period at least.
        day = max(day, line.root_id.date_start)
        period = next(
            periods(
                terms.anchor,
                line._get_recurrence() or terms.recurrence,
                max(calendar.served(day), terms.start),
                date.max,
                terms.alignment,
            )
        )
        return calendar.real_start(period.full_end) or period.full_end

    def _portal_prepare_cancel(self, reason, note: str, day: date) -> dict:
        """Prepare a cancellation the customer asks for.

        :param reason: ``saas.cancel.reason`` offered on the portal
        :param str note: the customer's own words
        :param date day: the day it is asked for
        :return: values of ``saas.amendment``
        :raise AmendmentError: not offered, or no reason was given
        """
        self.ensure_one()
        self._portal_check_offered("cancel")
        if not reason.exists() or not reason.is_portal:
            raise AmendmentError(self.env._("Choose why you want to cancel."))
        return {
            "subscription_id": self.id,
            "kind": "cancel",
            "effective": "date",
            "date_effective": self._portal_get_cancel_day(day),
            "reason_id": reason.id,
            "reason": (note or "").strip()[:2000] or False,
            "source": "portal",
        }

    def _portal_check_offered(self, kind: str):
        if self._portal_get_mode(kind) == "none":
            raise AmendmentError(
                self.env._(
                    "This can't be done here for %(name)s. Please write to us.",
                    name=self.name,
                )
            )

    def _portal_preview(self, vals: dict) -> dict:
        """Return the money effect of what is asked for; nothing is written.

        :param dict vals: values of ``saas.amendment``
        :return: see ``saas.amendment._preview``; also ``date_effective``, ``today``
            and ``mode``, whether confirming it does it or asks for it
        """
        amendment = self.env["saas.amendment"].new(vals)
        return {
            **amendment._preview(),
            "date_effective": amendment.date_effective,
            "today": amendment.date_requested,
            "mode": self._portal_get_mode_of(amendment),
        }

    def _portal_get_mode_of(self, amendment) -> str:
        """Return whether an amendment of the customer is made or asked for.

        :param amendment: ``saas.amendment``, also an unsaved one
        :return: see ``_portal_get_mode``
        """
        mode = self._portal_get_mode(amendment.kind)
        minimum = self.min_term_end
        early = minimum and amendment.date_effective < minimum
        if mode == "direct" and amendment.kind == "quantity" and early:
            quantities = {
                line.root_id.id: line.quantity for line in self._get_lines_ahead()
            }
            for change in amendment.line_ids:
                if change.quantity < quantities.get(change.line_id.root_id.id, 0):
                    # The minimum term was agreed for what was sold: staff decides.
                    return "request"
        return mode

    def _portal_submit(self, vals: dict):
        """Make the amendment the customer confirmed, as the plan allows.

        A repeat of the same request gives the same amendment.

        :param dict vals: values of ``saas.amendment``
        :return: ``saas.amendment``
        :raise AmendmentError: another request waits already, or it can't be made
        """
        self.ensure_one()
        self._saas_lock()
        known = self._portal_find_pending(vals)
        if known:
            return known
        amendment = self.env["saas.amendment"].create(vals)
        if self._portal_get_mode_of(amendment) == "direct":
            amendment.action_confirm()
            return amendment
        amendment._check_possible()
        amendment._saas_emit("amendment.requested", amendment._get_payload())
        amendment._plan_activity(
            self.env._("Customer asks: %(name)s", name=amendment.display_name),
            [self.env._("Confirm or refuse the request of the customer.")],
        )
        return amendment

    def _portal_find_pending(self, vals: dict):
        """Return the same request that waits already, empty when there is none.

        :raise AmendmentError: a different request of that kind waits
        """
        wanted = self.env["saas.amendment"].new(vals)
        pending = self.amendment_ids.filtered(
            lambda a: (
                a.kind == vals["kind"] and a.source == "portal" and a.state in PENDING
            )
        )
        same = pending.filtered(
            lambda a: (
                a.date_effective == wanted.date_effective
                and a._portal_get_terms() == wanted._portal_get_terms()
            )
        )
        if same:
            return same[:1]
        waiting = pending.filtered(lambda a: a.state != "scheduled")
        if waiting:
            raise AmendmentError(
                self.env._(
                    "Your request %(name)s waits for our answer. Take it back first to "
                    "ask for something else.",
                    name=waiting[0].name,
                )
            )
        return pending.browse()

    def _portal_undo(self, amendment):
        """Take back what the customer asked for on the portal.

        :param amendment: ``saas.amendment`` of this subscription
        :return: True
        :raise AmendmentError: not the customer's, or too late
        """
        self.ensure_one()
        if amendment.subscription_id != self or amendment.source != "portal":
            raise AmendmentError(
                self.env._("This change can't be taken back here. Please write to us.")
            )
        if amendment.state == "undone":
            return True
        if amendment.state not in PENDING:
            raise AmendmentError(
                self.env._(
                    "%(name)s has been settled and can't be taken back any more.",
                    name=amendment.name,
                )
            )
        return amendment._withdraw()
