# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What people click on a subscription, and what its form tells them."""

from odoo import Command, api, fields, models
from odoo.tools.misc import format_date

from ..exceptions import SubscriptionError
from .saas_amendment import KINDS
from .saas_subscription import LIVE_STATES

OPEN_STATES = ("draft", "to_approve", "scheduled")
# The dialog starts with one row per line in force.
PREFILLED_KINDS = ("upgrade", "downgrade", "quantity")


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    open_amendment_ids = fields.One2many(
        "saas.amendment",
        "subscription_id",
        string="Changes Ahead",
        domain=[("state", "in", OPEN_STATES)],
    )
    present_line_ids = fields.One2many(
        "saas.subscription.line",
        "subscription_id",
        string="Present Lines",
        domain=[("is_empty", "=", False)],
    )
    timeline_line_ids = fields.One2many(
        "saas.subscription.line", "subscription_id", string="Timeline"
    )
    next_amendment_id = fields.Many2one(
        "saas.amendment",
        compute="_compute_notices",
        string="Next Change",
        help="The first change that is confirmed and has not taken effect.",
    )
    pause_notice = fields.Char(compute="_compute_notices")
    end_notice = fields.Char(compute="_compute_notices")
    change_notice = fields.Char(compute="_compute_notices")
    has_scheduled_cancel = fields.Boolean(
        compute="_compute_has_scheduled_cancel",
        search="_search_has_scheduled_cancel",
        string="Cancellation Scheduled",
    )
    date_notice = fields.Date(
        string="Notice By",
        compute="_compute_date_notice",
        help="Last day on which a cancellation at the end of this term is in time.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("amendment_ids.state", "amendment_ids.kind")
    def _compute_has_scheduled_cancel(self):
        for subscription in self:
            subscription.has_scheduled_cancel = any(
                amendment.kind == "cancel" and amendment.state == "scheduled"
                # sudo: a yes or no, for whoever may read the subscription
                for amendment in subscription.sudo().amendment_ids
            )

    def _search_has_scheduled_cancel(self, operator, value):
        if operator != "in":
            return NotImplemented
        # sudo: a yes or no, for whoever may read the subscription
        cancels = self.env["saas.amendment"].sudo()
        cancelled = cancels._search(
            [("kind", "=", "cancel"), ("state", "=", "scheduled")]
        )
        domain = fields.Domain("amendment_ids", "in", cancelled)
        return domain if True in value else ~domain

    @api.depends("term_end", "date_end", "plan_id.notice_days", "plan_id.auto_renew")
    def _compute_date_notice(self):
        for subscription in self:
            plan = subscription.plan_id
            end = subscription.term_end
            subscription.date_notice = (
                fields.Date.subtract(end, days=plan.notice_days)
                if end
                and plan.auto_renew
                and not subscription.date_end
                and subscription.state in LIVE_STATES
                else False
            )

    @api.depends_context("uid")
    @api.depends("state", "date_end", "amendment_ids.state", "amendment_ids.kind")
    def _compute_notices(self):
        today = fields.Date.context_today(self)
        for subscription in self:
            record = subscription._origin
            scheduled = (
                record._get_confirmed_amendments()
                if record
                # A form that was not saved yet has none.
                else self.env["saas.amendment"]
            ).filtered(lambda a: a.state == "scheduled")
            subscription.next_amendment_id = scheduled[:1].sudo(False)
            subscription.pause_notice = subscription._get_pause_notice(today)
            subscription.end_notice = subscription._get_end_notice(scheduled)
            others = scheduled.filtered(lambda a: a.kind not in ("cancel", "pause"))
            subscription.change_notice = subscription._get_change_notice(others)

    def _get_pause_notice(self, today):
        pauses = self._origin._get_pauses() if self._origin else ()
        ahead = [p for p in pauses if p.end is None or p.end > today]
        if not ahead or self.state not in LIVE_STATES:
            return False
        pause = ahead[0]
        values = {
            "start": format_date(self.env, pause.start),
            "end": format_date(self.env, pause.end) if pause.end else "",
        }
        if pause.start <= today:
            if pause.end:
                return self.env._(
                    "Paused since %(start)s. Resumes on %(end)s.", **values
                )
            return self.env._("Paused since %(start)s, until resumed.", **values)
        if pause.end:
            return self.env._(
                "A pause is scheduled from %(start)s, resuming on %(end)s.", **values
            )
        return self.env._("A pause is scheduled from %(start)s.", **values)

    def _get_end_notice(self, scheduled):
        if not self.date_end or self.state not in LIVE_STATES:
            return False
        day = format_date(self.env, self.date_end)
        cancel = scheduled.filtered(lambda a: a.kind == "cancel")[:1]
        if not cancel:
            return self.env._("Ends on %(day)s.", day=day)
        reason = cancel.reason_id.name or cancel.reason
        # Customers read their subscription too, notes about them are not for them.
        if reason and self.env.user._is_internal():
            return self.env._(
                "Cancelled, ends on %(day)s. Reason: %(reason)s", day=day, reason=reason
            )
        return self.env._("Cancelled, ends on %(day)s.", day=day)

    def _get_change_notice(self, amendments):
        if not amendments:
            return False
        first = amendments[0]
        kinds = dict(first._fields["kind"]._description_selection(self.env))
        values = {
            "kind": kinds[first.kind],
            "day": format_date(self.env, first.date_effective),
            "more": len(amendments) - 1,
        }
        if len(amendments) > 1:
            return self.env._(
                "Scheduled for %(day)s: %(kind)s, and %(more)s more.", **values
            )
        return self.env._("Scheduled for %(day)s: %(kind)s.", **values)

    # ------------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------------
    def action_new_amendment(self) -> dict:
        """Open the amendment form in a dialog, ready to be previewed and confirmed.

        The kind comes from ``default_kind`` in the context.

        :return: window action
        """
        self.ensure_one()
        kind = self.env.context.get("default_kind") or "quantity"
        titles = dict(
            self.env["saas.amendment"]._fields["kind"]._description_selection(self.env)
        )
        view = self.env.ref("saas_subscription_ops.saas_amendment_view_form_dialog")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._(
                "%(kind)s: %(name)s",
                kind=titles.get(kind, dict(KINDS)[kind]),
                name=self.name,
            ),
            "res_model": "saas.amendment",
            "view_mode": "form",
            "views": [(view.id, "form")],
            "target": "new",
            "context": {
                "default_subscription_id": self.id,
                "default_kind": kind,
                "default_line_ids": self._prepare_dialog_lines(kind),
                "dialog_size": "extra-large",
            },
        }

    def _prepare_dialog_lines(self, kind: str) -> list:
        """Prepare the rows the dialog starts with.

        :param str kind: kind of amendment
        :return: commands of ``saas.amendment.line``
        """
        self.ensure_one()
        if kind == "add":
            return [Command.create({"action": "start", "quantity": 1.0})]
        if kind not in PREFILLED_KINDS:
            return []
        return [
            Command.create(
                {
                    "action": "set",
                    "line_id": line.root_id.id,
                    "quantity": line.quantity,
                    "price_unit": line.price_unit,
                    "discount": line.discount,
                }
            )
            for line in self._get_lines_ahead()
        ]

    def _get_lines_ahead(self):
        """Return the recurring lines in force today, or that start the subscription."""
        self.ensure_one()
        today = max(fields.Date.context_today(self), self.date_start)
        recurring = self.line_ids.filtered(
            lambda line: line.kind == "recurring" and not line.is_empty
        )
        in_force = recurring.filtered(lambda line: line._is_in_force(today))
        # In a trial nothing recurring has begun.
        return in_force or recurring.filtered(lambda line: line.date_start > today)

    def action_view_amendments(self) -> dict:
        """Open the amendments of the subscription.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_amendment_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["context"] = {"create": False}
        return action

    def action_undo_next_amendment(self) -> bool:
        """Take back the next scheduled change.

        :return: True; nothing happens when there is none any more
        :raise AmendmentError: a later change builds on it
        """
        self.check_access("write")
        for subscription in self:
            subscription.next_amendment_id.action_undo()
        return True

    def action_undo_cancellation(self) -> bool:
        """Take back the scheduled cancellation.

        :return: True; nothing happens when there is none any more
        """
        return self._undo_scheduled("cancel")

    def action_undo_pause(self) -> bool:
        """Take back a pause that has not begun.

        :return: True; nothing happens when there is none any more
        """
        return self._undo_scheduled("pause")

    def _undo_scheduled(self, kind: str) -> bool:
        self.check_access("write")
        self.amendment_ids.filtered(
            lambda a: a.kind == kind and a.state == "scheduled"
        ).action_undo()
        return True

    # ------------------------------------------------------------------
    # Several records at once: server actions and RPC
    # ------------------------------------------------------------------
    def pause_now(self) -> bool:
        """Pause every subscription from today on; those that are paused stay so.

        :return: True
        :raise SubscriptionError: one of them can't be paused, and why
        """
        return self._amend_each(lambda record: record.state == "paused", "pause")

    def resume_now(self) -> bool:
        """Let every paused subscription go on from today; others are left alone.

        :return: True
        :raise SubscriptionError: one of them can't be resumed, and why
        """
        return self._amend_each(lambda record: record.state == "active", "resume")

    def cancel_at_term_end(self) -> bool:
        """Cancel every subscription at the end of its term, as the notice allows.

        :return: True; those that are cancelled or have ended are left alone
        :raise SubscriptionError: one of them can't be cancelled, and why
        """
        return self._amend_each(
            lambda record: (
                record.has_scheduled_cancel or record.state in ("cancelled", "expired")
            ),
            "cancel",
        )

    def _amend_each(self, is_done, verb: str) -> bool:
        self.check_access("write")
        for subscription in self.sorted("id"):
            if is_done(subscription):
                continue
            try:
                getattr(subscription, verb)()
            except SubscriptionError as error:
                raise type(error)(
                    self.env._(
                        "%(name)s: %(reason)s Nothing was changed.",
                        name=subscription.name,
                        reason=error,
                    )
                ) from error
        return True
