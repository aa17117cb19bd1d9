# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Working days of the company, and plans counted in them."""

from contextlib import contextmanager
from datetime import date, datetime, time, timedelta

import pytz

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import format_date

from ..context_marks import PLANNING
from ..engine.errors import OnboardingPlanError
from ..engine.onboarding import WorkCalendar
from ..exceptions import OnboardingError
from .project_project import DELIVERY_GROUPS

# Long enough for two years of working days with every holiday.
SEARCH_DAYS_PER_WORKING_DAY = 3
SEARCH_DAYS_MARGIN = 60
END_WITHOUT_CALENDAR = time(17)
# A kick-off a year away from the present one is a slip of the year, not a plan.
SLIP_OF_THE_YEAR = timedelta(days=365)


class ProjectProject(models.Model):
    _inherit = "project.project"

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_saas_reschedule(self, kickoff) -> bool:
        """Move the kick-off, and with it everything that is not done yet.

        What is open keeps its distance to the kick-off in working days, also if its
        day was changed by hand. The first planned go-live stays; the agreed one moves.
        Safe to repeat.

        :param kickoff: the new day, a date or its text
        :return: True
        :raise OnboardingError: no onboarding project, or live already
        """
        kickoff = fields.Date.to_date(kickoff)
        for project in self._saas_as_delivery():
            project._saas_reschedule(kickoff)
        return True

    def action_saas_move_kickoff(self) -> dict:
        """Ask for the new kick-off in a dialog.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_onboarding_reschedule_wizard_action"
        )
        return {**action, "context": {"default_project_id": self.id}}

    def _saas_as_delivery(self):
        """Return the projects with the rights delivery has on them.

        :return: the same projects in superuser mode
        :raise AccessError: the user does no delivery, or may not see the projects
        """
        self.check_access("read")
        user = self.env.user
        if not self.env.su and not user.has_groups(",".join(DELIVERY_GROUPS)):
            raise AccessError(
                self.env._(
                    "Only delivery and Customer Success change the plan of an "
                    "onboarding: ask the project manager."
                )
            )
        # sudo: Odoo lets only its project administrators write projects, but their
        # plan is the daily work of delivery; who that is was checked above.
        return self.sudo()

    # ------------------------------------------------------------------
    # Plan
    # ------------------------------------------------------------------
    def _saas_plan(self, packages):
        """Count the due days of packages from their start, and set the go-live.

        :param packages: ``saas.onboarding.package`` of this project, just added
        """
        self.ensure_one()
        for package in packages:
            self._saas_plan_package(package)
        project = self.with_context(saas_planning=PLANNING)
        planned = self._saas_get_go_live_deadline()
        project.saas_go_live_planned = planned
        if not project.saas_go_live_baseline:
            project.saas_go_live_baseline = planned

    def _saas_get_go_live_deadline(self):
        deadlines = self._saas_get_go_live_milestones().mapped("deadline")
        return max((day for day in deadlines if day), default=False)

    def _saas_plan_package(self, package):
        tasks = package.with_context(active_test=False).task_ids
        items = [*tasks.filtered(lambda task: not task.has_template_ancestor)]
        items += [*package.milestone_ids]
        items = [item for item in items if item.saas_day_offset > 0]
        if not items:
            return
        count = max(item.saas_day_offset for item in items)
        days = self._saas_get_dated_ends(self.company_id, package.date_start, count)
        for item in items:
            self._saas_set_due(item, *days[item.saas_day_offset])

    def _saas_set_due(self, item, day: date, end: datetime):
        """Set the deadline of a task or milestone."""
        item = item.with_context(saas_planning=PLANNING)
        if item._name == "project.task":
            item.date_deadline = end
        else:
            item.deadline = day

    def _saas_get_due(self, item):
        """Return the day a task or milestone is due, as the company's calendar dates.

        :return: date or False
        """
        if item._name == "project.milestone":
            return item.deadline
        if not item.date_deadline:
            return False
        tz = self._saas_get_tz(self.company_id)
        return pytz.utc.localize(item.date_deadline).astimezone(tz).date()

    def _saas_reschedule(self, kickoff: date):
        self.ensure_one()
        if not self._saas_is_onboarding():
            raise OnboardingError(
                self.env._(
                    "%(project)s is no running onboarding: its plan is not moved.",
                    project=self.name,
                )
            )
        before = self.saas_kickoff_on
        if kickoff == before:
            return
        self._saas_check_move(before, kickoff)
        self.with_context(saas_planning=PLANNING).saas_kickoff_on = kickoff
        if before:
            with self._saas_word_plan_errors():
                self._saas_move_plan(before, kickoff)
        self._saas_assess(fields.Date.context_today(self))

    def _saas_check_move(self, before: date, kickoff: date):
        """Refuse a kick-off nobody can mean.

        :param before: the present kick-off, or False
        :raise OnboardingError: no day, or a year or more from the present one
        """
        if not kickoff:
            raise OnboardingError(
                self.env._("Enter the new kick-off of %(project)s.", project=self.name)
            )
        before = before or fields.Date.context_today(self)
        if abs(kickoff - before) >= SLIP_OF_THE_YEAR:
            raise OnboardingError(
                self.env._(
                    "The kick-off of %(project)s would move from %(before)s to "
                    "%(after)s, a year or more. Check the year; a plan that really "
                    "moves that far is moved in two steps.",
                    project=self.name,
                    before=format_date(self.env, before),
                    after=format_date(self.env, kickoff),
                )
            )

    def _saas_move_plan(self, before: date, kickoff: date):
        """Move what is open by as many working days as the kick-off moved."""
        calendar = self._saas_get_plan_calendar(before, kickoff)
        moved = {}
        for package in self.saas_package_ids:
            start = package.date_start or before
            moved[package] = kickoff if start == before else max(start, kickoff)
        ends = {}
        for item in self._saas_get_open_items():
            due = self._saas_get_due(item)
            if not due:
                continue
            package = item.saas_package_id
            start = (package.date_start if package else False) or before
            base = moved.get(package, kickoff)
            day = calendar.after(base, calendar.position(start, due))
            if day not in ends:
                ends[day] = self._saas_get_day_end(self.company_id, day)
            self._saas_set_due(item, day, ends[day])
        for package, start in moved.items():
            package.date_start = start
        go_live = self._saas_get_go_live_deadline()
        if go_live:
            self.with_context(saas_planning=PLANNING).saas_go_live_planned = go_live

    @contextmanager
    def _saas_word_plan_errors(self):
        """Say in words what is wrong with a plan that can't be counted in days.

        :raise OnboardingError: the calendar has no working days left, as a rule
        """
        self.ensure_one()
        try:
            yield
        except OnboardingPlanError as error:
            raise OnboardingError(
                self.env._(
                    "The plan of %(project)s can't be counted in working days: check "
                    "the working hours and days off of the calendar %(calendar)s of "
                    "%(company)s (%(error)s).",
                    project=self.name,
                    calendar=self.company_id.resource_calendar_id.name or "-",
                    company=self.company_id.name,
                    error=error,
                )
            ) from error

    def _saas_get_open_items(self) -> list:
        """Return the tasks not closed and milestones not reached."""
        self.ensure_one()
        tasks = self._saas_get_tasks().filtered(lambda item: not item.is_closed)
        return [*tasks, *self.milestone_ids.filtered(lambda item: not item.is_reached)]

    def _saas_get_plan_calendar(self, *days) -> WorkCalendar:
        """Return the working days around the plan, with room for all that is open.

        :param days: days that must be within it
        :return: engine calendar
        """
        self.ensure_one()
        items = self._saas_get_open_items()
        known = [day for day in days if day]
        known += [due for due in map(self._saas_get_due, items) if due]
        known += [day for day in self.saas_package_ids.mapped("date_start") if day]
        known += [day for day in (self.saas_go_live_planned,) if day]
        length = sum(max(getattr(item, "saas_duration_days", 0), 0) for item in items)
        first, last = min(known), max(known)
        span = (last - first).days + length * SEARCH_DAYS_PER_WORKING_DAY
        last += timedelta(days=span + SEARCH_DAYS_MARGIN)
        return WorkCalendar(
            tuple(self._saas_get_workdays(self.company_id, first, last))
        )

    # ------------------------------------------------------------------
    # Working days
    # ------------------------------------------------------------------
    @api.model
    def _saas_get_tz(self, company):
        return pytz.timezone(company.resource_calendar_id.tz or "UTC")

    @api.model
    def _saas_get_dated_ends(self, company, start: date, count: int) -> dict:
        """Return date and end of work of the working days after a date.

        :param company: ``res.company`` whose calendar and holidays count
        :param date start: day 0, itself not counted
        :param int count: working days needed
        :return: dict of 1..count to (date, naive UTC datetime at which its work ends)
        :raise OnboardingError: the calendar has not enough working days
        """
        span = count * SEARCH_DAYS_PER_WORKING_DAY + SEARCH_DAYS_MARGIN
        ends = self._saas_get_workdays(
            company, start + timedelta(days=1), start + timedelta(days=span)
        )
        if len(ends) < count:
            raise OnboardingError(
                self.env._(
                    "The working calendar %(calendar)s of %(company)s has not enough "
                    "working days after %(start)s to plan the onboarding.",
                    calendar=company.resource_calendar_id.name,
                    company=company.name,
                    start=start,
                )
            )
        return dict(enumerate(list(ends.items())[:count], 1))

    @api.model
    def _saas_get_day_end(self, company, day: date) -> datetime:
        """Return when work ends on a day, at 17:00 on a day off."""
        ends = self._saas_get_workdays(company, day, day)
        tz = self._saas_get_tz(company)
        off = tz.localize(datetime.combine(day, END_WITHOUT_CALENDAR))
        return ends.get(day) or off.astimezone(pytz.utc).replace(tzinfo=None)

    @api.model
    def _saas_get_workdays(self, company, first: date, last: date) -> dict:
        """Return the working days of a company from one day to another.

        :param company: ``res.company`` whose calendar and holidays count
        :param date first: included
        :param date last: included
        :return: ascending dict of dates to the naive UTC datetime work ends at
        """
        intervals = self._saas_read_work_intervals(company, first, last)
        # The last interval of a day is the one that counts.
        return {
            end.date(): end.astimezone(pytz.utc).replace(tzinfo=None)
            for _begin, end in intervals
            if first <= end.date() <= last
        }
