# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The way of an onboarding project from its reached milestones to live, and back."""

from datetime import date
from decimal import Decimal
from statistics import median

from odoo import api, fields, models

from ..exceptions import GoLiveError
from ..row_lock import lock_rows
from .project_project import INTERNAL, ONBOARDING

MILESTONE_EVENTS = ("onboarding.milestone_reached", "onboarding.milestone_reopened")
#: Who may say that a go-live was none.
UNDO_GROUPS = (
    "project.group_project_manager",
    "saas_core.group_saas_core_customer_success",
)


class ProjectProject(models.Model):
    _inherit = "project.project"

    saas_days_lead_to_live = fields.Integer(
        string="Days Lead to Live",
        compute="_compute_saas_days_to_live",
        store=True,
        aggregator="avg",
        groups=INTERNAL,
        help="Calendar days from the day the opportunity was created (without one: the "
        "order confirmed) to the go-live, the first day not counted.",
    )
    saas_days_kickoff_to_live = fields.Integer(
        string="Days Kick-off to Live",
        compute="_compute_saas_days_to_live",
        store=True,
        aggregator="avg",
        groups=INTERNAL,
        help="Calendar days from the kick-off to the go-live, the first day not "
        "counted. Negative: live before the kick-off.",
    )

    @api.depends("saas_live_on", "saas_kickoff_on")
    def _compute_saas_days_to_live(self):
        for project in self:
            live, kickoff = project.saas_live_on, project.saas_kickoff_on
            lead = project._saas_get_lead_day() if live else None
            project.saas_days_lead_to_live = (live - lead).days if lead else 0
            project.saas_days_kickoff_to_live = (
                (live - kickoff).days if live and kickoff else 0
            )

    def _saas_get_lead_day(self) -> date | None:
        """Return the day it began: opportunity created, else order confirmed.

        In the time zone of the company's calendar, like every day of the plan.
        """
        self.ensure_one()
        # sudo: a day, no business of sales
        order = self.sudo().saas_order_id
        moment = order.opportunity_id.create_date or order.date_order
        if not moment:
            return self.saas_started_on or None
        return self._saas_get_local_day(moment)

    # ------------------------------------------------------------------
    # What is missing
    # ------------------------------------------------------------------
    def _saas_get_needed_milestones(self):
        """Return the milestones a go-live rests on."""
        self.ensure_one()
        goals = self._saas_get_go_live_milestones()
        return goals | self.milestone_ids.filtered("saas_is_required")

    def _saas_get_live_obstacles(self) -> list[str]:
        """Return why the project can't be set live by hand.

        Extend it to add a reason; the text says what to do.

        :return: one sentence per reason; empty: it can
        """
        self.ensure_one()
        if not self.saas_order_id or self.is_template:
            return [self.env._("Only the onboarding project of an order goes live.")]
        needed = (
            self._saas_get_needed_milestones() - self._saas_get_go_live_milestones()
        )
        return [
            self.env._(
                "Milestone %(milestone)s is not reached: mark it, or clear 'Needed to "
                "Go Live' on it.",
                milestone=milestone.name,
            )
            for milestone in needed
            if not milestone.is_reached
        ]

    def action_saas_go_live(self) -> bool:
        """Reach the go-live milestone of projects by hand, and set them live.

        :return: True
        :raise GoLiveError: everything that is missing
        """
        self._saas_as_delivery()
        for project in self.filtered(lambda one: not one.saas_live_on):
            obstacles = project._saas_get_live_obstacles()
            if obstacles:
                raise GoLiveError(
                    self.env._(
                        "%(project)s can't go live yet:\n%(reasons)s",
                        project=project.name,
                        reasons="\n".join(obstacles),
                    )
                )
            goals = project._saas_get_go_live_milestones()
            goals.filtered(lambda item: not item.is_reached).is_reached = True
            project.invalidate_recordset(["saas_live_on"])
            if not project.saas_live_on:
                # No milestone at all, or the shipped rule is switched off.
                # sudo: delivery may mark milestones, the account belongs to others
                project.sudo()._saas_set_live()
            project._saas_resolve("onboarding.go_live_failed")
        return True

    # ------------------------------------------------------------------
    # Live
    # ------------------------------------------------------------------
    def saas_retry_go_live(self):
        """Repeat the go-live step from the exception queue.

        :raise UserError: still failing
        """
        for project in self._saas_as_delivery():
            project._saas_do_go_live()

    def _saas_run_milestone_step(self, milestone):
        """Record a reached milestone; a failure never takes the mark back."""

        def record(project):
            milestone_key = {"milestone": milestone.id, "name": milestone.name}
            if not project._saas_has_milestone_event(milestone):
                project._saas_emit("onboarding.milestone_reached", milestone_key)
            project._saas_do_go_live()

        self._saas_attempt(
            record,
            "onboarding.go_live_failed",
            "saas_retry_go_live",
            queue="customer_success",
            severity="high",
        )

    def _saas_has_milestone_event(self, milestone) -> bool:
        """Return whether the ledger has the milestone as reached, and not reopened."""
        events = self.env["saas.event"].search(
            [
                ("res_model", "=", self._name),
                ("res_id", "=", self.id),
                ("name", "in", MILESTONE_EVENTS),
            ],
            order="id",
        )
        own = [
            event for event in events if event.payload.get("milestone") == milestone.id
        ]
        return bool(own) and own[-1].name == MILESTONE_EVENTS[0]

    def _saas_do_go_live(self):
        """Set the project live if every milestone it rests on is reached, once."""
        self.ensure_one()
        if self.saas_live_on:
            return
        # Two people reach the last two milestones at once and see only their own mark:
        # who waits here begins anew, and sees both.
        lock_rows(self)
        needed = self._saas_get_needed_milestones()
        if needed and all(needed.mapped("is_reached")):
            self._saas_set_live()

    def _saas_set_live(self):
        """Set the project live today, the account with its last project."""
        self.ensure_one()
        # Set live by hand meanwhile: the second waits, then sees it.
        lock_rows(self)
        self.invalidate_recordset(["saas_live_on"])
        if self.saas_live_on:
            return
        self.saas_live_on = fields.Date.context_today(self)
        started = self.saas_started_on or self.saas_live_on
        self._saas_emit(
            "onboarding.live",
            {
                "project": self.name,
                "days": (self.saas_live_on - started).days,
                "days_lead_to_live": self.saas_days_lead_to_live,
                "days_kickoff_to_live": self.saas_days_kickoff_to_live,
            },
        )
        self._saas_start_hypercare()
        account = self.partner_id.commercial_partner_id
        if account.saas_lifecycle == "onboarding" and not self._saas_get_others_open():
            account.with_context(
                saas_correlation_id=self._saas_correlation()
            )._saas_set_lifecycle(
                "live", self.env._("%(project)s is live", project=self.name)
            )

    def _saas_get_others_open(self) -> bool:
        """Return whether the account has another project that is not live."""
        account = self.partner_id.commercial_partner_id
        return bool(
            self.search_count(
                [
                    ("partner_id", "child_of", account.id),
                    *ONBOARDING,
                    ("saas_live_on", "=", False),
                    ("saas_is_cancelled", "=", False),
                    ("id", "!=", self.id),
                ],
                limit=1,
            )
        )

    # ------------------------------------------------------------------
    # And back
    # ------------------------------------------------------------------
    def action_saas_undo_go_live(self, reason: str) -> bool:
        """Take a wrong go-live back: the go-live milestone is open again.

        The account is in onboarding again; hypercare ends without an event. A survey
        that was sent stays, no second one is sent.

        :param str reason: why it was none, for ledger and chatter
        :return: True
        :raise GoLiveError: no reason, not live, or not for the user
        """
        self._check_may_undo_go_live()
        reason = (reason or "").strip()
        if not reason:
            raise GoLiveError(self.env._("Write down why it was no go-live."))
        for project in self._saas_as_delivery():
            if not project.saas_live_on:
                raise GoLiveError(
                    self.env._("%(project)s is not live.", project=project.name)
                )
            project._saas_undo_go_live(reason)
        return True

    def _check_may_undo_go_live(self):
        user = self.env.user
        if not self.env.su and not user.has_groups(",".join(UNDO_GROUPS)):
            raise GoLiveError(
                self.env._(
                    "A go-live is taken back by Project Administrators or Customer "
                    "Success. Ask one of them."
                )
            )

    def _saas_undo_go_live(self, reason: str):
        self.ensure_one()
        day = self.saas_live_on
        self.write({"saas_live_on": False, **self._prepare_saas_no_hypercare_vals()})
        self._saas_get_go_live_milestones().is_reached = False
        self._saas_emit(
            "onboarding.live_undone", {"project": self.name, "live_on": str(day)}
        )
        self.message_post(body=reason)
        account = self.partner_id.commercial_partner_id
        if account.saas_lifecycle == "live":
            account._saas_set_lifecycle("onboarding", reason)

    def action_saas_open_undo_go_live(self) -> dict:
        """Open the dialog that asks why the go-live was none.

        :return: window action
        """
        self.ensure_one()
        self._check_may_undo_go_live()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Take Go-Live Back"),
            "res_model": "saas.go.live.undo.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_project_id": self.id},
        }

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_onboarding_lead_to_live(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Return the median days from lead to live of what went live in a period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``; none when nothing went live
        """
        domain = [
            ("company_id", "=", company.id),
            *ONBOARDING,
            ("saas_live_on", ">=", str(date_start)),
            ("saas_live_on", "<", str(date_end)),
        ]
        # sudo: a company's figure does not depend on who computes it
        projects = self.sudo().search(domain)
        if not projects:
            return []
        days = projects.mapped("saas_days_lead_to_live")
        return [
            {
                "value": Decimal(str(median(days))),
                "domain": domain,
                "inputs": {"projects": len(days), "days": sorted(days)},
            }
        ]
