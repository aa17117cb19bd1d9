# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, time, timedelta

import pytz

from odoo import Command, api, fields, models

from ..exceptions import OnboardingError

# Long enough for two years of working days with every holiday.
SEARCH_DAYS_PER_WORKING_DAY = 3
SEARCH_DAYS_MARGIN = 60


class ProjectProject(models.Model):
    """Onboarding projects: from a template, for an order, until the account is live."""

    _name = "project.project"
    _inherit = ["project.project", "saas.mixin"]

    saas_order_id = fields.Many2one(
        "sale.order",
        string="Onboarding Order",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    saas_subscription_id = fields.Many2one(
        "saas.subscription",
        string="Subscription",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    saas_onboarding_template_id = fields.Many2one(
        "project.project",
        string="Onboarding Template",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    saas_started_on = fields.Date(string="Onboarding Start", copy=False, readonly=True)
    saas_live_on = fields.Date(
        string="Live Since", copy=False, readonly=True, tracking=True
    )

    _saas_order_template_uniq = models.UniqueIndex(
        "(saas_order_id, saas_onboarding_template_id) WHERE saas_order_id IS NOT NULL",
        "This order has a project from this template already.",
    )

    # ------------------------------------------------------------------
    # From a template
    # ------------------------------------------------------------------
    def _saas_create_onboarding_project(self, order):
        """Create the onboarding project of an order from this template.

        :param order: confirmed ``sale.order``
        :return: the project
        :raise OnboardingError: not a template
        """
        self.ensure_one()
        if not self.is_template or not self.active:
            raise OnboardingError(
                self.env._(
                    "%(template)s is no project template any more: set another "
                    "onboarding template on the product or plan, then retry.",
                    template=self.name,
                )
            )
        mapping = self._saas_create_role_mapping(order)
        project = self.action_create_from_template(
            self._prepare_saas_onboarding_vals(order), mapping
        )
        self._saas_schedule(project, order)
        if order.saas_signed_attachment_id:
            project._saas_attach_once(order.saas_signed_attachment_id)
        project._saas_emit(
            "onboarding.started",
            {"project": project.name, "order": order.name, "template": self.name},
        )
        project._saas_report_unassigned(mapping)
        return project

    def _prepare_saas_onboarding_vals(self, order) -> dict:
        """Prepare what the project has beyond its template.

        :param order: ``sale.order``
        :return: values of ``project.project``
        """
        self.ensure_one()
        account = order.partner_id.commercial_partner_id
        manager = account.saas_csm_id | self.user_id | order.user_id
        manager = manager._saas_filter_assignable(order.company_id)
        start = order.saas_start_date
        line = order.order_line.filtered(
            lambda line: (
                line.product_id.saas_onboarding_template_id == self and line.is_service
            )
        )[:1]
        vals = {
            "name": self.env._(
                "%(account)s: %(template)s (%(order)s)",
                account=account.name,
                template=self.name,
                order=order.name,
            ),
            "partner_id": order.partner_id.id,
            "company_id": order.company_id.id,
            "user_id": manager[:1].id,
            "reinvoiced_sale_order_id": order.id,
            "saas_order_id": order.id,
            "saas_subscription_id": order.saas_subscription_ids[:1].id,
            "saas_onboarding_template_id": self.id,
            "saas_started_on": start,
            "saas_correlation_id": order._saas_correlation(),
        }
        if line:
            vals.update(allow_billable=True, sale_line_id=line.id)
        if self.date_start and self.date:
            vals.update(date_start=start, date=start + (self.date - self.date_start))
        return vals

    def _saas_create_role_mapping(self, order):
        """Map every role of the template's tasks to users.

        :param order: ``sale.order``
        :return: ``project.template.role.to.users.map`` records
        """
        tasks = self.task_ids | self.task_ids._get_all_subtasks()
        return self.env["project.template.role.to.users.map"].create(
            [
                {
                    "role_id": role.id,
                    "user_ids": [Command.set(role._saas_get_users(order).ids)],
                }
                for role in tasks.role_ids
            ]
        )

    def _saas_report_unassigned(self, mapping):
        """Ask customer success to staff the roles nobody was found for."""
        roles = mapping.filtered(lambda entry: not entry.user_ids).role_id
        if roles:
            self._saas_raise(
                "onboarding.role_unassigned",
                self.env._(
                    "%(project)s: nobody was found for %(roles)s. Assign the tasks, "
                    "and set users on the project roles.",
                    project=self.name,
                    roles=", ".join(roles.mapped("name")),
                ),
                queue="customer_success",
            )

    def _saas_schedule(self, project, order):
        """Give the copied tasks and milestones deadlines counted from the start."""
        items = list(project.with_context(active_test=False).task_ids)
        items += list(project.task_ids._get_all_subtasks())
        items += list(project.milestone_ids)
        offsets = {item.saas_day_offset for item in items if item.saas_day_offset > 0}
        if not offsets:
            return
        days = self._saas_get_working_days(
            order.company_id, order.saas_start_date, max(offsets)
        )
        for item in items:
            if item.saas_day_offset <= 0:
                continue
            end = days[item.saas_day_offset]
            if item._name == "project.task":
                item.date_deadline = end
            else:
                tz = pytz.timezone(order.company_id.partner_id.tz or "UTC")
                item.deadline = pytz.utc.localize(end).astimezone(tz).date()

    @api.model
    def _saas_get_working_days(self, company, start: date, count: int) -> dict:
        """Return the ends of the working days after a date.

        :param company: ``res.company`` whose calendar and holidays count
        :param date start: day 0, itself not counted
        :param int count: working days needed
        :return: dict of 1..count to the naive UTC datetime at which that day's work
            ends; without a calendar, Monday to Friday until 17:00 UTC
        :raise OnboardingError: the calendar has not enough working days
        """
        calendar = company.resource_calendar_id
        begin = start + timedelta(days=1)
        span = count * SEARCH_DAYS_PER_WORKING_DAY + SEARCH_DAYS_MARGIN
        if not calendar:
            weekdays = (begin + timedelta(days=n) for n in range(span))
            ends = [
                datetime.combine(day, time(17)) for day in weekdays if day.weekday() < 5
            ]
        else:
            ends = self._saas_get_calendar_ends(calendar, company, begin, span)
        if len(ends) < count:
            raise OnboardingError(
                self.env._(
                    "The working calendar %(calendar)s of %(company)s has not enough "
                    "working days after %(start)s to plan the onboarding.",
                    calendar=calendar.name,
                    company=company.name,
                    start=start,
                )
            )
        return dict(enumerate(ends[:count], 1))

    @api.model
    def _saas_get_calendar_ends(self, calendar, company, begin: date, span: int):
        tz = pytz.timezone(calendar.tz or "UTC")
        start = tz.localize(datetime.combine(begin, time.min))
        # The company's holidays only: in superuser mode those of others count too.
        intervals = calendar._work_intervals_batch(
            start,
            start + timedelta(days=span),
            domain=[
                ("time_type", "=", "leave"),
                ("company_id", "in", (False, company.id)),
            ],
        )[False]
        ends = {}
        for _start, stop, _meta in intervals:
            ends[stop.astimezone(tz).date()] = stop.astimezone(pytz.utc)
        return [ends[day].replace(tzinfo=None) for day in sorted(ends)]

    def _saas_attach_once(self, attachment):
        """Copy a document to the project unless it is there.

        :param attachment: ``ir.attachment``
        """
        self.ensure_one()
        present = self.env["ir.attachment"].search_count(
            [
                ("res_model", "=", self._name),
                ("res_id", "=", self.id),
                ("checksum", "=", attachment.checksum),
            ],
            limit=1,
        )
        if not present:
            attachment.copy({"res_model": self._name, "res_id": self.id})

    @api.model
    def _saas_kpi_onboarding_open(self, kpi, company, date_start, date_end) -> list:
        """Count the onboarding projects running at the end of a period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        domain = [
            ("company_id", "=", company.id),
            ("saas_order_id", "!=", False),
            ("is_template", "=", False),
            ("saas_started_on", "<", str(date_end)),
            "|",
            ("saas_live_on", "=", False),
            ("saas_live_on", ">=", str(date_end)),
        ]
        return [
            {
                "value": self.search_count(domain),
                "currency_id": False,
                "dimension": "",
                "res_model": self._name,
                "domain": domain,
                "inputs": {"on": str(fields.Date.subtract(date_end, days=1))},
            }
        ]
