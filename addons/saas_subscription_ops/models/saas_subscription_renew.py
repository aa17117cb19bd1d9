# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What can be renewed, from when and until when, and why not."""

from datetime import date, timedelta

from odoo import models
from odoo.tools.misc import format_date


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_paused_refusal(self) -> str:
        """Return why a paused subscription is not renewed, with the day it resumes."""
        self.ensure_one()
        pauses = self._get_pauses()
        ends = [pause.end for pause in pauses[-1:] if pause.end]
        if ends:
            return self.env._(
                "%(name)s is paused and resumes on %(day)s: renew it then, or resume "
                "it first.",
                name=self.name,
                day=format_date(self.env, ends[0]),
            )
        return self.env._(
            "%(name)s is paused until somebody resumes it: resume it first, then renew "
            "it.",
            name=self.name,
        )

    def _get_renewable_problem(self) -> str:
        """Return why there is no next term to agree on, or an empty text."""
        self.ensure_one()
        if not self.term_end:
            return self.env._(
                "%(name)s is open ended, there is no term to renew: amend it instead.",
                name=self.name,
            )
        if self.state == "paused":
            return self._get_paused_refusal()
        return ""

    def _get_term_problem(self, start: date, until: date | None) -> str:
        """Return why the next term can't run from a day to a day, or an empty text.

        :param date start: its first day
        :param date until: first day after it; None: a number of months later
        """
        self.ensure_one()
        if until and until <= start:
            return self.env._(
                "The next term of %(name)s begins on %(start)s: it must end on a later "
                "day.",
                name=self.name,
                start=format_date(self.env, start),
            )
        return self._get_early_problem(start)

    def _get_quoted_term_problem(self, start: date, until: date | None) -> str:
        """Return why the next term can't be quoted like this, or an empty text.

        :param date start: its first day
        :param date until: first day after it; None: a number of months later
        """
        problem = self._get_term_problem(start, until)
        if until and not problem:
            problem = self._get_whole_period_problem(until)
        return problem

    def _get_early_problem(self, day: date) -> str:
        """Return why the next term can't start on a day, or an empty text.

        :param date day: wanted first day of the next term
        """
        self.ensure_one()
        end = self.term_end
        if not end or day == end:
            return ""
        if day > end:
            return self.env._(
                "The term of %(name)s ends on %(end)s: the next one starts then or "
                "before it.",
                name=self.name,
                end=format_date(self.env, end),
            )
        terms = self._get_terms()
        start = terms[-1].start if terms else self.date_start
        if day <= start:
            return self.env._(
                "The term of %(name)s runs from %(start)s to %(end)s: the next one can "
                "start on %(end)s, or within it.",
                name=self.name,
                start=format_date(self.env, start),
                end=format_date(self.env, end),
            )
        if any(
            pause.start <= day and (not pause.end or day < pause.end)
            for pause in self._get_pauses()
        ):
            return self.env._(
                "%(name)s is paused on %(day)s: let the next term start when it has "
                "resumed.",
                name=self.name,
                day=format_date(self.env, day),
            )
        return self._get_ramp_problem(day) or self._get_boundary_problem(day)

    def _get_ramp_problem(self, day: date) -> str:
        """Return which ramp steps would override what is agreed for a day, if any.

        :param date day: first day of the next term, within the running one
        """
        self.ensure_one()
        ramps = self._get_confirmed_amendments().filtered(
            lambda a: a.kind == "ramp" and a.date_effective > day
        )
        if not ramps:
            return ""
        return self.env._(
            "%(name)s has ramp steps after %(day)s, which would override what is "
            "agreed for the next term: %(ramps)s. Undo them, or renew on %(end)s.",
            name=self.name,
            day=format_date(self.env, day),
            ramps=", ".join(
                self.env._(
                    "%(ramp)s on %(day)s",
                    ramp=ramp.name,
                    day=format_date(self.env, ramp.date_effective),
                )
                for ramp in ramps
            ),
            end=format_date(self.env, self.term_end),
        )

    def _get_quote_access_problem(self, owner) -> str:
        """Return which right the user lacks to quote the next term, if any.

        :param owner: ``res.users`` the quotation would belong to, may be empty
        """
        self.ensure_one()
        user = self.env.user
        if self.env.su:
            return ""
        if not self.env["sale.order"].has_access("create"):
            return self.env._(
                "%(name)s: quotations are made by sales. Ask %(owner)s, or ask your "
                "administrator for the role Sales / User: Own Documents Only.",
                name=self.name,
                owner=owner.name or self.env._("somebody in sales"),
            )
        all_documents = "sales_team.group_sale_salesman_all_leads"
        if not owner or owner == user or user.has_group(all_documents):
            return ""
        return self.env._(
            "%(name)s: the quotation would belong to %(owner)s and you may work on "
            "quotations of your own only. Ask %(owner)s, or ask your administrator for "
            "the role Sales / User: All Documents.",
            name=self.name,
            owner=owner.name,
        )

    def _get_boundary_problem(self, day: date) -> str:
        """Return that a day is not the first one of a billing period, if so."""
        self.ensure_one()
        boundary = self._get_next_boundary(day - timedelta(days=1))
        if boundary == day:
            return ""
        return self.env._(
            "%(day)s lies within a billing period of %(name)s: take the first day of a "
            "period, for example %(boundary)s.",
            day=format_date(self.env, day),
            name=self.name,
            boundary=format_date(self.env, boundary),
        )
