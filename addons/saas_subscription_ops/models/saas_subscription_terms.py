# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Terms as a fold: base lines and confirmed amendments give the line intervals."""

from dataclasses import dataclass, field
from datetime import date

from odoo import api, fields, models
from odoo.tools.misc import format_date

from ..engine.errors import EngineError
from ..engine.proposal import LineTerms
from ..engine.service import Pause, ServiceCalendar
from ..engine.terms import Term, fold_terms
from ..engine.timeline import Base, Segment, fold
from ..exceptions import AmendmentError, LedgerError

CONFIRMED = ("scheduled", "applied")
AGREED_TERMS = (
    "has_quantity",
    "has_price",
    "has_discount",
    "quantity",
    "price_unit",
    "discount",
)


@dataclass(frozen=True, slots=True)
class FoldedTerms:
    """What the amendments make of a subscription; dates are exclusive ends.

    ``terms`` are the contract terms, none when it is open ended. ``days`` are the
    effective days, by amendment, of renewals that go with a term end that was moved,
    and of the ramp steps that came with them.
    """

    segments: dict[int | str, list[Segment]]
    pauses: tuple[Pause, ...]
    date_end: date | None
    keep_last_period: bool
    term_end: date | None
    terms: tuple[Term, ...] = ()
    days: dict[int, date] = field(default_factory=dict)


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    amendment_ids = fields.One2many("saas.amendment", "subscription_id")
    amendment_count = fields.Integer(compute="_compute_amendment_count")
    initial_term_end = fields.Date(
        readonly=True, copy=False, help="Term end agreed first, before any renewal."
    )
    initial_date_end = fields.Date(
        readonly=True, copy=False, help="End agreed first, before any amendment."
    )
    min_term_end = fields.Date(
        string="Minimum Term Until",
        compute="_compute_min_term_end",
        store=True,
        readonly=False,
        precompute=True,
        copy=False,
        help="First day on which a cancellation may take effect.",
    )
    keep_last_period = fields.Boolean(
        string="Last Period in Full",
        readonly=True,
        copy=False,
        help="Nothing is credited for the rest of the period in which the "
        "subscription ends.",
    )

    @api.depends("date_start", "plan_id")
    def _compute_min_term_end(self):
        for subscription in self:
            months = subscription.plan_id.min_term_months
            start = subscription.date_start
            subscription.min_term_end = (
                fields.Date.add(start, months=months) if months and start else False
            )

    @api.depends("amendment_ids")
    def _compute_amendment_count(self):
        for subscription in self:
            subscription.amendment_count = len(subscription.amendment_ids)

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        subscriptions = super().create(vals_list)
        for subscription in subscriptions:
            # sudo: what was agreed first is no choice of who makes the record
            subscription.sudo().with_context(saas_sync_terms=True).write(
                {
                    "initial_term_end": subscription.term_end,
                    "initial_date_end": subscription.date_end,
                }
            )
        return subscriptions

    def write(self, vals):
        ends = {"term_end", "date_end"} & vals.keys()
        if self._is_syncing_terms():
            return super().write(vals)
        if "min_term_end" in vals:
            self._check_minimum_term_kept()
        if not ends:
            return super().write(vals)
        amended = self.filtered(lambda record: record._get_confirmed_amendments())
        if amended:
            raise LedgerError(
                self.env._(
                    "%(names)s was amended, so its ends follow from its amendments. "
                    "Cancel or renew it instead.",
                    names=", ".join(amended.mapped("name")),
                )
            )
        return super().write(
            {**vals, **{f"initial_{name}": vals[name] for name in ends}}
        )

    @api.model
    def _is_syncing_terms(self) -> bool:
        """Return whether terms are written that were folded, not entered.

        A context can be sent by anybody, so it counts for the system only.
        """
        return self.env.su and bool(self.env.context.get("saas_sync_terms"))

    def _check_minimum_term_kept(self):
        """Refuse to move the minimum term of a contract that runs.

        :raise LedgerError: not a draft
        """
        if not self.env.su and any(record.state != "draft" for record in self):
            raise LedgerError(
                self.env._(
                    "The minimum term is part of the contract. Cancel with Waive "
                    "Minimum Term, which somebody else has to approve."
                )
            )

    # ------------------------------------------------------------------
    # Fold
    # ------------------------------------------------------------------
    def _get_confirmed_amendments(self):
        """Return the amendments that are part of the terms, by effective date."""
        self.ensure_one()
        # sudo: the terms are the same whoever asks for them
        return (
            self.sudo()
            .amendment_ids.filtered(lambda amendment: amendment.state in CONFIRMED)
            ._by_date()
        )

    def _fold_terms(self, amendments) -> FoldedTerms:
        """Return the terms that amendments make of what was sold first.

        :param amendments: ``saas.amendment``, in any order, also unsaved ones
        :return: terms, nothing is written
        :raise AmendmentError: the changes contradict each other
        """
        self.ensure_one()
        amendments = amendments._by_date()
        pauses = self._get_pauses(amendments)
        try:
            terms = self._fold_contract(amendments, pauses)
            end, keep = self._fold_end(amendments, terms)
            pauses = _before(pauses, end)
            # Pauses that overlap are refused here, not when somebody bills.
            ServiceCalendar(pauses)
            days = self._get_moved_days(amendments, terms)
            segments = fold(
                self._get_timeline_bases(amendments, days),
                amendments.line_ids._get_changes(days),
            )
        except EngineError as error:
            raise AmendmentError(
                self.env._(
                    "%(name)s: the change does not fit the other terms: %(reason)s. "
                    "Choose another date or quantity.",
                    name=self.name,
                    reason=error,
                )
            ) from error
        term_end = terms[-1].end if terms else None
        return FoldedTerms(segments, pauses, end, keep, term_end, terms, days)

    def _get_timeline_bases(self, amendments, days: dict) -> list[Base]:
        """Return the chains: lines sold first, and those that amendments add.

        :param amendments: ``saas.amendment``
        :param dict days: effective days that differ from those of the records
        """
        roots = self.sudo().line_ids.filtered(
            lambda line: (
                line.root_id == line
                and (not line.amendment_id or line.amendment_id in amendments)
            )
        )
        bases = [
            Base(
                root=line.id,
                date_start=(
                    line.amendment_id._get_effective_day(days)
                    if line.amendment_id
                    else line.date_start
                ),
                date_end=line.base_date_end or None,
                values=line._get_term_values(),
            )
            for line in roots
        ]
        return bases + amendments.line_ids._get_new_bases(days)

    def _get_pauses(self, amendments=None) -> tuple[Pause, ...]:
        """Return the pauses as the engine knows them.

        :param amendments: default all confirmed ones
        """
        self.ensure_one()
        if amendments is None:
            pauses = self._get_pauses(self._get_confirmed_amendments())
            return _before(pauses, self.date_end)
        resumes = amendments.filtered(lambda a: a.kind == "resume").mapped(
            "date_effective"
        )
        result = []
        for pause in amendments.filtered(lambda a: a.kind == "pause"):
            ends = [day for day in resumes if day > pause.date_effective]
            if pause.date_resume:
                ends.append(pause.date_resume)
            result.append(
                Pause(pause.date_effective, min(ends, default=None), pause.pause_mode)
            )
        return tuple(result)

    def _fold_contract(self, amendments, pauses) -> tuple[Term, ...]:
        """Return the contract terms; none for what is open ended.

        :raise TermsError: renewals and pauses contradict each other
        """
        if not self.initial_term_end:
            return ()
        renewals = amendments.filtered(lambda a: a.kind == "renewal")
        return fold_terms(
            self.date_start,
            self.initial_term_end,
            [renewal._get_renewal_terms() for renewal in renewals],
            pauses,
        )

    def _fold_end(self, amendments, terms) -> tuple[date | None, bool]:
        """Return the end, and whether it keeps the last period."""
        end = self.initial_date_end
        if end and terms and end == self.initial_term_end:
            end = terms[-1].end
        ends = [(end, False)] if end else []
        ends += [
            (a.date_effective, not a.credit) for a in amendments if a.kind == "cancel"
        ]
        return _first_end(ends)

    def _get_moved_days(self, amendments, terms) -> dict[int, date]:
        """Return the days of renewals that follow a term end that was moved.

        :param amendments: ``saas.amendment``
        :param terms: engine terms
        :return: day by amendment, only where it is another one
        """
        starts = {term.key: term.start for term in terms}
        days = {}
        for renewal in amendments.filtered(lambda a: a.kind == "renewal"):
            start = starts.get(renewal._get_sequence(), renewal.date_effective)
            if start == renewal.date_effective:
                continue
            days[renewal._get_sequence()] = start
            for step in renewal._get_own_ramp_steps() & amendments:
                days[step._get_sequence()] = step._get_moved_ramp_day(renewal, start)
        return days

    def _get_terms(self) -> tuple[Term, ...]:
        """Return the contract terms of the confirmed amendments.

        :return: engine terms, ascending and gapless; none for what is open ended
        :raise AmendmentError: the amendments contradict each other
        """
        self.ensure_one()
        return self._fold_terms(self._get_confirmed_amendments()).terms

    # ------------------------------------------------------------------
    # Writing the terms
    # ------------------------------------------------------------------
    def _sync_terms(self):
        """Bring lines and ends to what base lines and amendments say.

        :raise AmendmentError: the changes contradict each other
        """
        # sudo: whoever may confirm the amendment need not be allowed to edit lines
        for subscription in self.sudo().with_context(saas_sync_terms=True):
            terms = subscription._fold_terms(subscription._get_confirmed_amendments())
            if terms.days:
                subscription._move_amendments(terms.days)
                terms = subscription._fold_terms(
                    subscription._get_confirmed_amendments()
                )
            subscription._sync_lines(terms)
            subscription.write(
                {
                    "date_end": terms.date_end,
                    "keep_last_period": terms.keep_last_period,
                    "term_end": terms.term_end,
                }
            )

    def _move_amendments(self, days: dict):
        """Let renewals, and what came with them, follow the end of their term.

        :param dict days: new effective days by amendment
        """
        for amendment in self.amendment_ids.filtered(lambda a: a.id in days):
            before, day = amendment.date_effective, days[amendment.id]
            lines = amendment.line_ids
            terms = [lines._fields[name] for name in AGREED_TERMS]
            with self.env.protecting(terms, lines):
                # What was agreed stays, whatever is in force on the other day.
                amendment.date_effective = day
            self.line_ids.filtered(
                lambda line, own=amendment: (
                    line.amendment_id == own
                    and line.root_id == line
                    and not line.is_billed
                )
            ).write({"date_start": day, "date_end": False})
            if amendment.kind == "renewal" and amendment.order_id:
                self.coupon_ids.filtered(
                    lambda grant, own=amendment, start=before: (
                        grant.order_id == own.order_id
                        and grant.date_start == start
                        and not grant._is_used()
                    )
                ).date_start = day
            amendment._message_log(
                body=self.env._(
                    "Takes effect on %(day)s instead of %(before)s, since the end of "
                    "the term was moved.",
                    day=format_date(self.env, day),
                    before=format_date(self.env, before),
                )
            )

    def _sync_lines(self, terms: FoldedTerms):
        Line = self.env["saas.subscription.line"]
        for root, lines in self.line_ids.grouped("root_id").items():
            unwanted, vals_list = lines, []
            for segment in terms.segments.get(root.id, []):
                line = unwanted._find_segment(segment)
                if line:
                    line._set_segment_end(segment.date_end, segment.keep_last_period)
                    unwanted -= line
                else:
                    vals_list.append(root._prepare_segment_vals(segment))
            for line in unwanted:
                if line == root or line.is_billed or line._is_quoted():
                    # A line without days: its charges are taken back in full, and a
                    # quotation about it still knows what it was about.
                    line._set_segment_end(line.date_start, False)
                else:
                    line.unlink()
            Line.create(vals_list)

    # ------------------------------------------------------------------
    # The same, for a preview
    # ------------------------------------------------------------------
    def _get_folded_line_terms(self, terms: FoldedTerms) -> list:
        """Return folded lines as the engine prices them, without writing them.

        :param FoldedTerms terms: see ``_fold_terms``
        :return: list of (``LineTerms``, product) pairs; lines that would be new have
            text ids
        """
        self.ensure_one()
        result = []
        for root_key, segments in terms.segments.items():
            lines = self.sudo().line_ids.filtered(
                lambda line, key=root_key: line.root_id.id == key
            )
            for segment in segments:
                line = lines._find_segment(segment)
                values = segment.values
                if values["kind"] == "usage":
                    continue
                product = self.env["product.product"].browse(values["product_id"])
                key = line.id or f"new:{root_key}:{segment.date_start}"
                result.append((self._make_line_terms(key, segment, terms), product))
        return result

    def _make_line_terms(self, key, segment: Segment, terms: FoldedTerms) -> LineTerms:
        values = segment.values
        ends = [
            (end, keep)
            for end, keep in (
                (segment.date_end, segment.keep_last_period),
                (terms.date_end, terms.keep_last_period),
            )
            if end
        ]
        end, keep = _first_end(ends)
        return LineTerms(
            line_id=key,
            quantity=values["quantity"],
            price_unit=values["price_unit"],
            date_start=segment.date_start,
            date_end=end,
            kind=values["kind"],
            timing=values["timing"],
            discount=values["discount"],
            description=values["name"],
            recurrence=values["recurrence"],
            keep_last_period=keep,
        )


def _first_end(ends: list) -> tuple:
    """Return the first (end, keeps the last period); who keeps wins on the same day."""
    return min(ends, default=(None, False), key=lambda item: (item[0], not item[1]))


def _before(pauses: tuple[Pause, ...], end: date | None) -> tuple[Pause, ...]:
    """Return the pauses that begin before the end; after it nothing is paused."""
    return tuple(pause for pause in pauses if not end or pause.start < end)
