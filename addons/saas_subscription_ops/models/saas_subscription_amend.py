# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Changing a subscription: what buttons, server actions, RPC and quotes call."""

from datetime import date

from odoo import Command, fields, models

from ..engine.errors import EngineError
from ..engine.period import periods
from ..engine.proposal import propose
from ..engine.service import ServiceCalendar
from ..exceptions import AmendmentError
from .saas_subscription_terms import FoldedTerms

SET_FLAGS = {
    "has_quantity": ("quantity",),
    "has_price": ("price_unit", "product_id"),
    "has_discount": ("discount", "product_id"),
}


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Calls
    # ------------------------------------------------------------------
    def amend(
        self,
        kind: str,
        effective: str = "now",
        date_effective=None,
        lines: list[dict] | None = None,
        reason: str | None = None,
        confirm: bool = True,
        **options,
    ):
        """Change the subscription by one amendment, confirmed unless told otherwise.

        A pause, resume, cancellation or renewal that is confirmed for the same day
        already is returned instead of made twice; so is the amendment of a quotation.

        :param str kind: one of the kinds of ``saas.amendment``
        :param str effective: ``now``, ``next_period``, ``term_end`` or ``date``
        :param date_effective: first day it counts, for ``date``; may lie in the past
        :param list lines: dicts with ``action`` (``set`` by default), ``line_id`` and
            the terms that change; terms left out stay as they are on that day
        :param str reason: one sentence
        :param bool confirm: False leaves a draft
        :param options: other fields of ``saas.amendment``
        :return: ``saas.amendment``
        :raise AmendmentError: it can't be made, and why
        :raise TransitionError: not in the present state
        """
        self.ensure_one()
        vals = {
            "subscription_id": self.id,
            "kind": kind,
            "effective": "date" if date_effective else effective,
            "reason": reason or False,
            "line_ids": [
                Command.create(self._prepare_change(row)) for row in lines or []
            ],
            **options,
        }
        if date_effective:
            vals["date_effective"] = fields.Date.to_date(date_effective)
        known = self._find_amendment(vals)
        if known:
            return known
        amendment = self.env["saas.amendment"].create(vals)
        if confirm:
            amendment.action_confirm()
        return amendment

    def pause(self, effective="now", date_effective=None, date_resume=None, **options):
        """Pause the subscription; see ``amend``.

        :param date_resume: first day served again; empty: until resumed
        """
        if date_resume:
            options["date_resume"] = fields.Date.to_date(date_resume)
        return self.amend("pause", effective, date_effective, **options)

    def resume(self, effective="now", date_effective=None, **options):
        """Let a paused subscription go on; see ``amend``."""
        return self.amend("resume", effective, date_effective, **options)

    def cancel(self, effective="term_end", date_effective=None, **options):
        """Cancel the subscription; see ``amend``. ``credit`` gives back unused time."""
        return self.amend("cancel", effective, date_effective, **options)

    def renew(
        self,
        term_months=None,
        uplift=0.0,
        lines=None,
        effective="term_end",
        date_effective=None,
        date_term_end=None,
        **options,
    ):
        """Renew the running term; see ``amend``.

        A renewal at the term end that is agreed already is returned.

        :param int term_months: default the plan's term
        :param float uplift: percent on every recurring price
        :param str effective: ``term_end``, or ``date`` for an early renewal
        :param date_effective: first day of the next term; the running one ends there.
            The first day of a billing period
        :param date_term_end: first day after the next term, instead of its length
        """
        if effective == "term_end" and not date_effective:
            # The term after the next one is not renewed by a second click.
            known = self.amendment_ids.filtered(
                lambda a: a.kind == "renewal" and a.state in ("to_approve", "scheduled")
            )
            if known:
                return known[:1]
        if term_months:
            options["term_months"] = term_months
        if date_term_end:
            options["date_term_end"] = fields.Date.to_date(date_term_end)
        return self.amend(
            "renewal", effective, date_effective, lines=lines, uplift=uplift, **options
        )

    def end_trial(self, date_effective=None, **options):
        """End the trial now, or move its end to another day; see ``amend``."""
        return self.amend("trial", "now", date_effective, **options)

    def change_quantity(self, line_id: int, quantity: float, **options):
        """Change the quantity of one line; see ``amend``."""
        lines = [{"line_id": line_id, "quantity": quantity}]
        return self.amend("quantity", lines=lines, **options)

    def _find_amendment(self, vals: dict):
        """Return the confirmed amendment that says the same, if there is one."""
        Amendment = self.env["saas.amendment"]
        domain = [
            ("subscription_id", "=", self.id),
            ("kind", "=", vals["kind"]),
            ("state", "in", ("to_approve", "scheduled", "applied")),
        ]
        if vals.get("order_id") and vals["kind"] != "ramp":
            return Amendment.search([*domain, ("order_id", "=", vals["order_id"])])
        if vals["kind"] not in ("pause", "resume", "cancel", "renewal"):
            return Amendment
        probe = Amendment.new(vals)
        return Amendment.search(
            [*domain, ("date_effective", "=", probe.date_effective)], limit=1
        )

    def _prepare_change(self, row: dict) -> dict:
        """Prepare an amendment line of what a caller wants to change.

        :param dict row: see ``amend``
        :return: values of ``saas.amendment.line``
        """
        vals = {"action": "set", **row}
        if vals["action"] == "set":
            for flag, names in SET_FLAGS.items():
                vals[flag] = any(name in row for name in names)
        return vals

    # ------------------------------------------------------------------
    # Days
    # ------------------------------------------------------------------
    def _get_next_boundary(self, day: date) -> date:
        """Return the start of the next billing period of the plan after a day.

        :param date day: calendar date in the subscription's time zone
        :return: date; while a pause extends the running period, the day the period
            would end without it
        """
        self.ensure_one()
        terms = self._get_plan_terms()
        calendar = ServiceCalendar(terms.pauses)
        served = max(calendar.served(day), terms.start)
        period = next(
            periods(terms.anchor, terms.recurrence, served, date.max, terms.alignment)
        )
        return calendar.real_start(period.full_end) or period.full_end

    def _get_term_end_for(self, kind: str, day: date) -> date:
        """Return the term end a change asked for on a day can take effect at.

        :param str kind: a cancellation that comes too late for the notice takes the
            end of the next term, when the plan renews by itself
        :param date day: day it was asked for
        :return: date; without a term the next billing period
        """
        self.ensure_one()
        end = self.term_end
        plan = self.plan_id
        if not end:
            return self._get_next_boundary(day)
        if kind == "cancel" and plan.auto_renew and plan.term_months:
            while end <= day or end < fields.Date.add(day, days=plan.notice_days):
                end = fields.Date.add(end, months=plan.term_months)
        return end

    # ------------------------------------------------------------------
    # Folded figures
    # ------------------------------------------------------------------
    def _propose_folded(self, terms: FoldedTerms, date_cutoff: date) -> list:
        """Return the recurring and one-time charges folded terms give.

        :param FoldedTerms terms: see ``_fold_terms``
        :param date date_cutoff: exclusive
        :return: engine rows
        :raise AmendmentError: terms the engine refuses
        """
        self.ensure_one()
        pairs = self._get_folded_line_terms(terms)
        lines = [line for line, _product in pairs]
        try:
            return propose(
                self._get_plan_terms(terms.pauses),
                lines,
                date_cutoff,
                self._get_coupon_terms(
                    [(line.line_id, product) for line, product in pairs]
                ),
            )
        except EngineError as error:
            raise AmendmentError(str(error)) from error

    # ------------------------------------------------------------------
    # What amendments set on the subscription itself
    # ------------------------------------------------------------------
    def _set_trial_end(self, day: date):
        """Move the end of the trial and what begins with it."""
        self.ensure_one()
        begun = self.line_ids.filtered(
            lambda line: (
                line.kind == "recurring"
                and line.root_id == line
                and not line.amendment_id
                and line.date_start == self.trial_end
            )
        )
        self.coupon_ids.filtered(
            lambda grant: grant.date_start == self.trial_end
        ).date_start = day
        # sudo: the step was checked; fees of the trial may be billed already
        subscription = self.sudo().with_context(saas_sync_terms=True)
        subscription.write({"trial_end": day, "anchor_date": day})
        begun.with_env(subscription.env).write({"date_start": day})

    def _check_same_rhythm(self, plan):
        """Refuse a plan whose periods or proration differ.

        :param plan: ``saas.plan``
        :raise AmendmentError: names the cure
        """
        self.ensure_one()
        names = (
            "recurrence_unit",
            "recurrence_count",
            "alignment",
            "proration_policy",
            "grace_days",
        )
        if any(plan[name] != self.plan_id[name] for name in names):
            raise AmendmentError(
                self.env._(
                    "Plan %(plan)s bills in another rhythm than %(present)s. Cancel "
                    "%(subscription)s at the end of its period and sell a new one.",
                    plan=plan.name,
                    present=self.plan_id.name,
                    subscription=self.name,
                )
            )

    def _change_plan(self, plan):
        """Follow an upgrade to another plan of the same rhythm.

        :param plan: ``saas.plan``
        :raise AmendmentError: its periods or proration differ
        """
        self.ensure_one()
        self._check_same_rhythm(plan)
        # sudo: the step was checked, whoever takes it
        self.sudo().with_context(saas_sync_terms=True).plan_id = plan
        self._apply_support_tier()
