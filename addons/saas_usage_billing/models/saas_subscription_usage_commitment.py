# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Commitments: what is missing at the end of a window, and overage at its factor."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from odoo import fields, models

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge, base_kind
from odoo.addons.saas_subscription_ops.engine.money import round_money
from odoo.addons.saas_subscription_ops.engine.period import (
    Recurrence,
    grid_date,
    grid_index,
)
from odoo.addons.saas_subscription_ops.engine.service import Pause
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.commitment import Window, window_amount
from ..engine.money import ZERO, add
from ..engine.rating import Part

#: Charges of commitments: ``commit:<commitment>:<first day of the window>``.
PREFIX = "commit:"


@dataclass(frozen=True, slots=True)
class CommitWindow:
    """Half-open days a commitment holds for, and the whole window they are part of.

    ``closed``: day on which all that begins in the window has ended. ``pauses``: of the
    subscription, without service.
    """

    start: date
    end: date
    full_days: int
    closed: date
    pauses: tuple[Pause, ...] = ()

    @property
    def days(self) -> int:
        """Return the days served."""
        return self.count_days(self.start, self.end)

    def count_days(self, start: date, end: date) -> int:
        """Return the days of a span that are no pause.

        :param start: first day
        :param end: exclusive
        """
        days = max((end - start).days, 0)
        for pause in self.pauses:
            stop = min(pause.end or end, end)
            days -= max((stop - max(pause.start, start)).days, 0)
        return days

    def take(self, charge) -> Decimal:
        """Return what a charge counts in the window.

        Usage counts where its period begins. What recurs counts by the days served, so
        that a charge for a year is spread over its months.

        :param charge: proposed engine row
        """
        begins_here = self.start <= charge.service_start < self.end
        days = self.count_days(charge.service_start, charge.service_end)
        if base_kind(charge.kind, charge.details) == "usage" or not days:
            return charge.amount if begins_here else ZERO
        part = self.count_days(
            max(charge.service_start, self.start), min(charge.service_end, self.end)
        )
        return Part(part, days).of(charge.amount) if part else ZERO


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_commitment_ids = fields.One2many(
        "saas.usage.commitment",
        "subscription_id",
        string="Commitments",
        groups="saas_core.group_saas_core_user",
    )
    usage_commitment_count = fields.Integer(
        compute="_compute_usage_commitment_count",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_usage_commitment_count(self):
        for subscription in self:
            subscription.usage_commitment_count = len(subscription.usage_commitment_ids)

    def action_view_usage_commitments(self) -> dict:
        """Open the commitments of the subscription.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_commitment_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["context"] = {"default_subscription_id": self.id}
        return action

    def _on_activated(self):
        """Agree the minimum of the plan."""
        result = super()._on_activated()
        self._add_plan_minimum()
        return result

    def _add_plan_minimum(self):
        """Make the commitment of the plan's minimum, once."""
        # sudo: whoever activates need not be allowed to see the minimum, nor to agree
        # commitments
        # A plan of all companies has its minimum in the currency of each.
        plan = self.plan_id.sudo().with_company(self.company_id)
        Commitment = self.env["saas.usage.commitment"].sudo()
        known = self.sudo().usage_commitment_ids.filtered("is_plan_minimum")
        if not plan.minimum_amount or known:
            return
        start = max(self.date_start, self.trial_end or self.date_start)
        amount = plan.company_currency_id._convert(
            plan.minimum_amount, self.currency_id, self.company_id, self.date_start
        )
        Commitment.create(
            {
                "name": self.env._("Minimum of %(plan)s", plan=plan.name),
                "subscription_id": self.id,
                "includes_recurring": True,
                "amount": amount,
                "date_start": start,
                "is_plan_minimum": True,
            }
        )

    # ------------------------------------------------------------------
    # Charges
    # ------------------------------------------------------------------
    def _get_proposed_charges(self, date_cutoff):
        """Add what commitments ask at the end of their windows."""
        proposed = super()._get_proposed_charges(date_cutoff)
        # sudo: the difference must see what was agreed, whoever computes it
        commitments = self.sudo().usage_commitment_ids
        if self.state == "draft" or not commitments:
            return proposed
        charges = [
            charge
            for commitment in commitments
            for window in self._get_commit_windows(commitment, date_cutoff)
            for charge in self._propose_commitment(commitment, window, proposed)
        ]
        return proposed + charges

    def _get_commit_windows(self, commitment, date_cutoff):
        """Yield the windows of a commitment that are over by a cut-off.

        :param commitment: ``saas.usage.commitment``
        :param date date_cutoff: exclusive
        """
        until = date_cutoff - timedelta(days=self.plan_id.grace_days)
        start, ends = commitment.date_start, [commitment.date_end, self.date_end]
        pauses = self._get_pauses()
        stop = min((end for end in ends if end), default=None)
        grid = list(self._get_grid_periods(start, until)) if start < until else []
        if commitment.window == "period":
            spans = grid
        else:
            spans = self._cut_commit_spans(start, until, Recurrence(commitment.window))
        for begins, ends_on, days in spans:
            end = min((one for one in (ends_on, stop) if one), default=None)
            if end is None or end <= begins:
                continue
            closed = self._get_commit_closing(grid, end)
            if closed and closed <= until:
                yield CommitWindow(begins, end, days, closed, pauses)

    def _cut_commit_spans(self, start, until, recurrence):
        """Yield (start, end, days) of quarters or years from a day on."""
        for index in range(grid_index(start, recurrence, until) + 1):
            begins = grid_date(start, recurrence, index)
            ends = grid_date(start, recurrence, index + 1)
            yield begins, ends, (ends - begins).days

    def _get_commit_closing(self, grid, end):
        """Return the day all periods that begin before a day have ended, or None."""
        for begins, ends, _days in grid:
            if begins < end and (ends is None or ends > end):
                # A period that goes on is cut where the subscription ends.
                return min((one for one in (ends, self.date_end) if one), default=None)
        return end

    def _propose_commitment(self, commitment, window, proposed):
        """Yield the charge of a window, if it asks anything.

        :param commitment: ``saas.usage.commitment``
        :param CommitWindow window: that is over
        :param list proposed: all other charges of the subscription
        """
        unit = to_decimal(self.currency_id.rounding)
        cost = add(
            window.take(charge)
            for charge in proposed
            if self._counts_for(commitment, charge)
        )
        cost = max(round_money(cost, unit), ZERO)
        committed = round_money(self._get_committed(commitment, window), unit)
        if not committed:
            return
        factor = to_decimal(commitment.overage_factor)
        due = window_amount(Window(cost, committed, commitment.is_true_up), factor)
        amount = round_money(due - cost, unit)
        if not amount:
            return
        yield ProposedCharge(
            ref=f"{PREFIX}{commitment.id}:{window.start.isoformat()}",
            kind="usage",
            line_id=commitment._get_line().id,
            service_start=window.start,
            service_end=window.closed,
            quantity=Decimal(1),
            amount=amount,
            timing="arrears",
            description=commitment.name,
            details={
                "commitment_id": commitment.id,
                "committed": str(committed),
                "cost": str(cost),
                "factor": str(factor),
                "window_end": window.end.isoformat(),
            },
        )

    def _get_committed(self, commitment, window):
        """Return what was promised for a window, less its days without service.

        :param commitment: ``saas.usage.commitment``
        :param CommitWindow window: may be cut, or paused for a while
        :return: Decimal, zero: all of it was paused
        """
        committed = to_decimal(commitment.amount)
        if not commitment.is_prorated or window.days >= window.full_days:
            return committed
        if not window.days:
            return ZERO
        return Part(window.days, window.full_days).of(committed)

    def _counts_for(self, commitment, charge) -> bool:
        """Return whether a charge counts for a commitment.

        :param commitment: ``saas.usage.commitment``
        :param charge: proposed or booked engine row
        """
        kind = base_kind(charge.kind, getattr(charge, "details", {}))
        # What a wallet has paid is no usage of its own.
        others = (PREFIX, "wallet:")
        if kind not in ("usage", "recurring") or charge.ref.startswith(others):
            return False
        return self._counts_line_id(commitment, charge.line_id)

    def _counts_line_id(self, commitment, line_id) -> bool:
        line = self.env["saas.subscription.line"].browse(line_id or [])
        return bool(line) and commitment._counts_line(line)

    # ------------------------------------------------------------------
    # Holds, marks and words
    # ------------------------------------------------------------------
    def _get_held_refs(self, proposed, booked, date_cutoff) -> set[str]:
        """Let windows wait that count held usage."""
        held = super()._get_held_refs(proposed, booked, date_cutoff)
        # sudo: the difference must see what was agreed, whoever computes it
        commitments = self.sudo().usage_commitment_ids
        if not commitments:
            return held
        rows = [row for row in (*proposed, *booked) if row.ref in held]
        waiting = [(one.line_id, one.service_start) for one in rows]
        waiting += self._get_held_periods(date_cutoff)
        known = {str(commitment.id): commitment for commitment in commitments}
        for row in (*proposed, *booked):
            if not row.ref.startswith(PREFIX):
                continue
            commitment = known.get(row.ref.split(":")[1])
            if commitment and any(
                row.service_start <= start < row.service_end
                and self._counts_line_id(commitment, line_id)
                for line_id, start in waiting
            ):
                held = held | {row.ref}
        return held

    def _get_held_periods(self, date_cutoff) -> list:
        """Return (line id, first day) of held periods, also of those without usage.

        What a silent source has not sent yet may be all there is.

        :param date date_cutoff: exclusive
        """
        holds = self._get_usage_holds()
        if not holds:
            return []
        return [
            (period.line_id, period.start)
            for period in self._get_usage_periods(date_cutoff)
            if holds._covers(period.meter_id, period.start, period.end)
        ]

    def _filter_billing_provable(self):
        """Leave out those whose commitments ask something as time goes by."""
        # sudo: runs ask for all, whoever started them
        found = super()._filter_billing_provable()
        return found.filtered(lambda record: not record.sudo().usage_commitment_ids)

    def _get_quantity_label(self, charge):
        """Say what was promised, and what was spent."""
        if "commitment_id" not in charge.details:
            return super()._get_quantity_label(charge)
        details = charge.details
        values = {
            "committed": self._format_money(details["committed"]),
            "cost": self._format_money(details["cost"]),
            "factor": format(Decimal(details["factor"]).normalize(), "f"),
        }
        if Decimal(details["cost"]) > Decimal(details["committed"]):
            return self.env._(
                "%(cost)s spent, committed %(committed)s: what is above at %(factor)s"
                " times its price",
                **values,
            )
        return self.env._("%(committed)s committed, %(cost)s spent", **values)
