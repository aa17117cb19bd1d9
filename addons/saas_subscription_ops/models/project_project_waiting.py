# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, time, timedelta

import pytz

from odoo import api, fields, models

from ..engine import waiting
from ..exceptions import OnboardingError

# What starts or ends an onboarding.
RUN_FIELDS = frozenset({"saas_live_on", "active", "is_template"})
DAY = timedelta(days=1)


class ProjectProject(models.Model):
    """Who an onboarding waits for, and how long it did."""

    _inherit = "project.project"

    saas_wait_ids = fields.One2many(
        "saas.onboarding.wait", "project_id", groups="base.group_user"
    )
    saas_waiting_on = fields.Selection(
        [("customer", "Customer"), ("us", "Us"), ("both", "Both Sides")],
        string="Waiting For",
        readonly=True,
        copy=False,
        groups="base.group_user",
    )
    saas_has_manual_wait = fields.Boolean(
        string="Waiting Set by Hand",
        compute="_compute_saas_has_manual_wait",
        groups="base.group_user",
    )
    saas_has_draft_document = fields.Boolean(
        string="Has Documents to Request",
        compute="_compute_saas_has_draft_document",
        groups="base.group_user",
    )
    saas_wait_customer_hours = fields.Float(
        string="Waited for the Customer (Hours)",
        readonly=True,
        copy=False,
        groups="base.group_user",
        help="Working hours in which anything was waited for from the customer. "
        "Several things at once count once.",
    )
    saas_wait_us_hours = fields.Float(
        string="Waited for Us (Hours)",
        readonly=True,
        copy=False,
        groups="base.group_user",
        help="Working hours in which the customer waited for anything from us. Both "
        "sides may wait at the same time.",
    )
    saas_wait_measured_at = fields.Datetime(
        string="Waiting Measured Until",
        readonly=True,
        copy=False,
        groups="base.group_user",
    )

    def write(self, vals):
        result = super().write(vals)
        if RUN_FIELDS & vals.keys():
            self._saas_sync_waiting(fields.Datetime.now())
        return result

    # ------------------------------------------------------------------
    # What the buttons of the form can do
    # ------------------------------------------------------------------
    @api.depends("saas_wait_ids.date_end", "saas_wait_ids.cause")
    def _compute_saas_has_manual_wait(self):
        manual = [("cause", "=", "manual"), ("date_end", "=", False)]
        found = self._saas_filter_having("saas.onboarding.wait", manual)
        for project in self:
            project.saas_has_manual_wait = project._origin.id in found

    @api.depends("saas_document_ids.state")
    def _compute_saas_has_draft_document(self):
        draft = [("state", "=", "draft")]
        found = self._saas_filter_having("saas.onboarding.document", draft)
        for project in self:
            project.saas_has_draft_document = project._origin.id in found

    def _saas_filter_having(self, model: str, domain: list) -> set:
        """Return the ids of the projects that have such records.

        :param str model: a model with ``project_id``
        :param list domain: which of its records
        """
        # sudo: whether there is anything to do, not what
        rows = (
            self.env[model]
            .sudo()
            ._read_group(
                [("project_id", "in", self._origin.ids), *domain], ["project_id"]
            )
        )
        return {project.id for [project] in rows}

    # ------------------------------------------------------------------
    # State
    # ------------------------------------------------------------------
    def _saas_is_running_onboarding(self) -> bool:
        """Return whether it is a real project that is not live yet."""
        return bool(
            self and self.active and not self.is_template and not self.saas_live_on
        )

    def _saas_sync_waiting(self, at: datetime):
        """Bring the waits in line with documents, tasks and the state of the project.

        :param datetime at: naive UTC moment from which corrections count
        """
        # sudo: waits are facts, whoever changes the project need not read them
        for project in self.sudo():
            if not project._saas_is_running_onboarding():
                project.saas_wait_ids.filtered("is_open")._close(at)
            project.saas_document_ids._sync_wait(at)
            project.tasks.filtered("saas_is_customer_task")._saas_sync_wait(at)
        self._saas_refresh_waiting(at)

    def _saas_refresh_waiting(self, at: datetime):
        """Measure anew how long each side waited.

        Open waits count until ``at``, or until the last measurement if that was later:
        hours that were shown are never taken back.

        :param datetime at: naive UTC moment
        """
        # sudo: totals are written by the code only
        projects = self.sudo()
        measured = projects.filtered("saas_wait_ids")
        for project in projects - measured:
            if project.saas_waiting_on or project.saas_wait_measured_at:
                project.write({"saas_waiting_on": False, "saas_wait_measured_at": at})
        for company, batch in measured.grouped("company_id").items():
            until = max([at, *filter(None, batch.mapped("saas_wait_measured_at"))])
            first = min(batch.saas_wait_ids.mapped("date_start"))
            working = self._saas_get_work_intervals(
                company, pytz.utc.localize(first), pytz.utc.localize(until)
            )
            for project in batch:
                vals = project._prepare_saas_waiting_vals(working, at)
                vals = {k: v for k, v in vals.items() if project[k] != v}
                if vals:
                    project.write(vals)

    def _prepare_saas_waiting_vals(self, working: list, at: datetime) -> dict:
        """Prepare the totals of one project.

        :param list working: working intervals from the first wait on
        :param datetime at: naive UTC moment
        :return: values of ``project.project``
        """
        self.ensure_one()
        until = max(at, self.saas_wait_measured_at or at)
        hours = waiting.measure(
            self.saas_wait_ids._to_engine(), working, pytz.utc.localize(until)
        )
        sides = set(self.saas_wait_ids.filtered("is_open").mapped("side"))
        return {
            "saas_waiting_on": "both" if len(sides) > 1 else next(iter(sides), False),
            "saas_wait_customer_hours": round(float(hours["customer"]), 2),
            "saas_wait_us_hours": round(float(hours["us"]), 2),
            "saas_wait_measured_at": until,
        }

    # ------------------------------------------------------------------
    # Working time
    # ------------------------------------------------------------------
    def _saas_get_local_day(self, at: datetime) -> date:
        """Return the company's calendar day of a moment.

        :param datetime at: naive UTC
        """
        zone = self._saas_get_tz(self.company_id or self.env.company)
        return pytz.utc.localize(at).astimezone(zone).date()

    @api.model
    def _saas_get_day_start(self, company, day: date) -> datetime:
        """Return when a calendar day begins in the company, aware."""
        return self._saas_get_tz(company).localize(datetime.combine(day, time.min))

    @api.model
    def _saas_get_work_intervals(
        self, company, start: datetime, stop: datetime
    ) -> list[tuple[datetime, datetime]]:
        """Return the company's working time, of whole days.

        :param company: ``res.company`` whose calendar and holidays count
        :param datetime start: aware; the day it lies in is included
        :param datetime stop: aware; the same
        :return: aware intervals in the calendar's zone; without a calendar, Monday to
            Friday from 9 to 17 UTC
        """
        company = company or self.env.company
        zone = self._saas_get_tz(company)
        first, last = (moment.astimezone(zone).date() for moment in (start, stop))
        return self._saas_read_work_intervals(company, first, last)

    @api.model
    def _saas_read_work_intervals(self, company, first: date, last: date) -> list:
        zone, calendar = self._saas_get_tz(company), company.resource_calendar_id
        if not calendar:
            days = (first + n * DAY for n in range((last - first).days + 1))
            return [
                tuple(zone.localize(datetime.combine(day, time(h))) for h in (9, 17))
                for day in days
                if day.weekday() < 5
            ]
        # The company's holidays only: in superuser mode those of others count too.
        intervals = calendar.sudo()._work_intervals_batch(
            self._saas_get_day_start(company, first),
            self._saas_get_day_start(company, last + DAY),
            domain=[
                ("time_type", "=", "leave"),
                ("company_id", "in", (False, company.id)),
            ],
        )[False]
        return [
            (begin.astimezone(zone), end.astimezone(zone))
            for begin, end, _meta in intervals
        ]

    def _saas_count_working_days(self, after: date, until: date) -> int:
        """Count the working days of the company after a day.

        :param date after: itself not counted
        :param date until: last day counted
        """
        self.ensure_one()
        if until <= after:
            return 0
        company = self.company_id or self.env.company
        return len(self._saas_get_workdays(company, after + DAY, until))

    # ------------------------------------------------------------------
    # By hand
    # ------------------------------------------------------------------
    def action_saas_wait(self) -> dict:
        """Ask who is waited for, and for what.

        :return: action opening the dialog
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Waiting"),
            "res_model": "saas.onboarding.wait.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_project_id": self.id},
        }

    def _saas_set_manual_wait(self, side: str, reason: str, start: datetime):
        """Let a side wait by hand.

        :param str side: ``customer`` or ``us``
        :param str reason: what is waited for
        :param datetime start: naive UTC moment
        :return: the ``saas.onboarding.wait``
        :raise AccessError: the user does no delivery
        :raise OnboardingError: that side is set as waiting already, or all is over
        """
        self.ensure_one()
        self._saas_as_delivery()
        if not self._saas_is_running_onboarding():
            raise OnboardingError(
                self.env._(
                    "%(project)s is no running onboarding: nobody waits.",
                    project=self.name,
                )
            )
        wait = self.env["saas.onboarding.wait"]._open_manual(self, side, reason, start)
        self._saas_refresh_waiting(max(start, fields.Datetime.now()))
        return wait

    def action_saas_end_waiting(self) -> bool:
        """End what was set as waiting by hand.

        :return: True
        """
        waits = self.saas_wait_ids.filtered(lambda w: w.is_open and w.cause == "manual")
        return waits.action_end()

    def action_view_saas_waits(self) -> dict:
        """Open the waiting times of the project.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_onboarding_wait_action"
        )
        action["domain"] = [("project_id", "=", self.id)]
        action["context"] = {}
        return action

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_onboarding_wait_customer(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Add up the working days customers were waited for in a period.

        Per project the union of all that was waited for, each day with the share of
        its working time; projects are added up.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        window = tuple(
            self._saas_get_day_start(company, day) for day in (date_start, date_end)
        )
        begin, end = (
            moment.astimezone(pytz.utc).replace(tzinfo=None) for moment in window
        )
        domain = [
            ("company_id", "=", company.id),
            ("side", "=", "customer"),
            ("date_start", "<", str(end)),
            "|",
            ("date_end", "=", False),
            ("date_end", ">", str(begin)),
        ]
        # sudo: the company's figure is the same whoever has it computed
        waits = self.env["saas.onboarding.wait"].sudo().search(domain)
        working = self._saas_get_work_intervals(company, *window)
        days = sum(
            waiting.measure_days(
                group._to_engine(),
                "customer",
                working,
                window,
                # What is still open counts as far as the daily check has come.
                min(
                    window[1], pytz.utc.localize(project.saas_wait_measured_at or begin)
                ),
            )
            for project, group in waits.grouped("project_id").items()
        )
        return [
            {
                "value": round(days, 2),
                "res_model": "saas.onboarding.wait",
                "domain": domain,
                "inputs": {
                    "projects": len(waits.project_id),
                    "intervals": len(waits),
                },
            }
        ]
