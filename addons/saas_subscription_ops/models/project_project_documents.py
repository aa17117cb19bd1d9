# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

import pytz

from odoo import api, fields, models

from ..exceptions import OnboardingDocumentError
from .saas_onboarding_document import OPEN_STATES
from .saas_onboarding_document_mail import MAX_REMINDERS


class ProjectProject(models.Model):
    """The documents an onboarding needs, from the template to the last reminder."""

    _inherit = "project.project"

    saas_document_ids = fields.One2many(
        "saas.onboarding.document",
        "project_id",
        string="Documents Needed",
        groups="base.group_user",
    )
    saas_document_count = fields.Integer(
        compute="_compute_saas_document_count",
        string="Needed Documents",
        groups="base.group_user",
    )
    saas_open_document_count = fields.Integer(
        compute="_compute_saas_document_count",
        string="Open Documents",
        groups="base.group_user",
    )
    saas_has_portal_user = fields.Boolean(
        string="Customer Has Portal Access",
        compute="_compute_saas_has_portal_user",
        groups="base.group_user",
    )

    @api.depends("saas_document_ids.state")
    def _compute_saas_document_count(self):
        # sudo: a number, also for those who may not read the documents
        rows = (
            self.env["saas.onboarding.document"]
            .sudo()
            ._read_group(
                [("project_id", "in", self.ids)], ["project_id", "state"], ["__count"]
            )
        )
        total, still_open = {}, {}
        for project, state, count in rows:
            total[project.id] = total.get(project.id, 0) + count
            if state in OPEN_STATES:
                still_open[project.id] = still_open.get(project.id, 0) + count
        for project in self:
            project.saas_document_count = total.get(project._origin.id, 0)
            project.saas_open_document_count = still_open.get(project._origin.id, 0)

    @api.depends("partner_id.commercial_partner_id")
    def _compute_saas_has_portal_user(self):
        # sudo: whether somebody can log in, not who
        rows = (
            self.env["res.users"]
            .sudo()
            ._read_group(
                [
                    ("share", "=", True),
                    ("commercial_partner_id", "in", self._saas_get_accounts().ids),
                ],
                ["commercial_partner_id"],
            )
        )
        reachable = {account.id for [account] in rows}
        for project in self:
            account = project._saas_get_accounts()
            project.saas_has_portal_user = account.id in reachable

    def _saas_get_accounts(self):
        # sudo: see _compute_saas_has_portal_user
        return self.sudo().partner_id.commercial_partner_id

    @api.ondelete(at_uninstall=False)
    def _unlink_except_saas_versions(self):
        # sudo: also those the user may not read are kept
        kept = (
            self.env["saas.onboarding.document.version"]
            .sudo()
            .search([("project_id", "in", self.ids)], limit=1)
        )
        if kept:
            raise OnboardingDocumentError(
                self.env._(
                    "%(project)s has documents of the customer, which are kept for "
                    "ever. Archive the project instead.",
                    project=kept.project_id.name,
                )
            )

    # ------------------------------------------------------------------
    # Copies
    # ------------------------------------------------------------------
    def copy(self, default=None):
        origins, mapping = self, self.env.context.get("milestone_mapping")
        if mapping is None:
            mapping = {}
            origins = self.with_context(milestone_mapping=mapping)
        projects = super(ProjectProject, origins).copy(default)
        # The mapping means "being copied" to whoever finds it in the context.
        context = {
            key: value
            for key, value in projects.env.context.items()
            if key != "milestone_mapping" or key in self.env.context
        }
        projects = projects.with_env(projects.env(context=context))
        for origin, project in zip(self, projects, strict=True):
            origin._saas_copy_documents_to(project, mapping)
        return projects

    def _saas_copy_template_items(self, template):
        milestones, tasks = super()._saas_copy_template_items(template)
        mapping = {}
        if milestones:
            origins = template.milestone_ids
            mapping = dict(zip(origins.ids, milestones.ids, strict=True))
        template._saas_copy_documents_to(self, mapping)
        return milestones, tasks

    def _saas_adopt(self, package, tasks, milestones):
        result = super()._saas_adopt(package, tasks, milestones)
        # sudo: packages are added by whoever sells them
        documents = self.sudo().saas_document_ids.filtered(
            lambda one: (
                not one.package_id and one.origin_id.project_id == package.template_id
            )
        )
        documents.package_id = package
        return result

    def _saas_copy_documents_to(self, project, milestone_mapping: dict):
        """Copy the documents of this project or template to another, as drafts.

        What was not yet given to a package is not copied again. A second package of the
        same template brings its own.

        :param project: ``project.project`` that gets them
        :param dict milestone_mapping: ids of own milestones to ids of their copies
        :return: the new ``saas.onboarding.document``
        """
        self.ensure_one()
        # sudo: whoever signs or merges need not read the documents of a template
        project = project.sudo()
        present = project.saas_document_ids.filtered(
            lambda one: not one.package_id
        ).origin_id
        new = project.saas_document_ids.browse()
        for document in self.sudo().saas_document_ids - present:
            new |= document.copy(
                {
                    "project_id": project.id,
                    "milestone_id": milestone_mapping.get(document.milestone_id.id),
                    "origin_id": document.id,
                }
            )
        return new

    # ------------------------------------------------------------------
    # Plan
    # ------------------------------------------------------------------
    def _saas_plan_package(self, package):
        result = super()._saas_plan_package(package)
        # sudo: see _saas_adopt
        documents = self.sudo().saas_document_ids.filtered(
            lambda one: one.package_id == package and one.saas_day_offset > 0
        )
        if documents:
            count = max(documents.mapped("saas_day_offset"))
            days = self._saas_get_dated_ends(self.company_id, package.date_start, count)
            for document in documents:
                document.due_date = days[document.saas_day_offset][0]
        return result

    def _saas_move_plan(self, before: date, kickoff: date):
        # sudo: the plan moves as a whole
        documents = self.sudo().saas_document_ids.filtered(
            lambda one: one.is_open and one.due_date
        )
        calendar = self._saas_get_plan_calendar(
            before, kickoff, *documents.mapped("due_date")
        )
        places = {
            one: calendar.position(one.package_id.date_start or before, one.due_date)
            for one in documents
        }
        result = super()._saas_move_plan(before, kickoff)
        for one, place in places.items():
            one.due_date = calendar.after(one.package_id.date_start or kickoff, place)
        return result

    # ------------------------------------------------------------------
    # Once a day
    # ------------------------------------------------------------------
    def _saas_on_daily_check(self, day: date):
        result = super()._saas_on_daily_check(day)
        start = self._saas_get_day_start(self.company_id, day)
        self._saas_sync_waiting(start.astimezone(pytz.utc).replace(tzinfo=None))
        self._saas_remind_of_documents(day)
        return result

    def _saas_get_activity_days(self) -> list:
        # sudo: what the customer sends keeps the project alive, whoever may read it
        versions = self.sudo().saas_document_ids.version_ids
        sent = {self._saas_get_local_day(one.uploaded_at) for one in versions}
        return [*super()._saas_get_activity_days(), *sent]

    def _saas_get_alert_facts(self, day: date) -> list[dict]:
        facts = super()._saas_get_alert_facts(day)
        # sudo: an alert names what it is about also to those who read alerts only
        silent = self.sudo().saas_document_ids._filter_silent(day)
        if silent:
            message = self.env._(
                "The customer was reminded %(count)s times and did not answer: "
                "%(documents)s.",
                count=MAX_REMINDERS,
                documents=", ".join(silent.mapped("name")),
            )
            facts.append({"code": "customer_silent", "message": message})
        return facts

    # ------------------------------------------------------------------
    # Requests and reminders
    # ------------------------------------------------------------------
    def action_saas_request_documents(self) -> bool:
        """Ask the customer for every document not requested yet, with one mail.

        :return: True
        :raise OnboardingDocumentError: nothing to request, or nobody to write to
        """
        for project in self:
            drafts = project.saas_document_ids.filtered(lambda d: d.state == "draft")
            if not drafts:
                raise OnboardingDocumentError(
                    self.env._(
                        "%(project)s has no document left to request.",
                        project=project.name,
                    )
                )
            drafts.action_request()
        return True

    def action_view_saas_documents(self) -> dict:
        """Open the documents of the project.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_onboarding_document_action"
        )
        action["domain"] = [("project_id", "=", self.id)]
        action["context"] = {"default_project_id": self.id}
        return action

    def _saas_get_customer_contact(self):
        """Return whom to write to about documents: a ``res.partner`` with an address.

        The customer of the project, else the account; may be empty.
        """
        self.ensure_one()
        # sudo: the address is used, not shown
        partner = self.sudo().partner_id
        candidates = partner | partner.commercial_partner_id
        return candidates.filtered("email")[:1]

    def _saas_check_customer_reachable(self):
        """Refuse to request what nobody would hear of.

        :raise OnboardingDocumentError: no onboarding, or no e-mail address
        """
        self.ensure_one()
        if not self.sudo().saas_order_id:  # sudo: whether there is one is no secret
            raise OnboardingDocumentError(
                self.env._(
                    "%(project)s is not the onboarding of an order, so the customer "
                    "has no page to upload to.",
                    project=self.name,
                )
            )
        if self.saas_is_cancelled:
            raise OnboardingDocumentError(
                self.env._(
                    "The order of %(project)s is not confirmed any more, so the "
                    "customer has no page to upload to. Confirm it again first.",
                    project=self.name,
                )
            )
        if not self._saas_get_customer_contact():
            raise OnboardingDocumentError(
                self.env._(
                    "%(customer)s has no e-mail address. Enter one on the contact, "
                    "then request the documents.",
                    customer=self.sudo().partner_id.display_name or self.name,
                )
            )

    def _saas_get_mail_documents(self):
        """Return the documents a mail is about, for its template."""
        self.ensure_one()
        ids = self.env.context.get("saas_document_ids")
        documents = self.saas_document_ids
        if ids is None:
            return documents.filtered(lambda one: one._is_with_customer())
        return documents.filtered(lambda one: one.id in ids)

    def _saas_remind_of_documents(self, day: date):
        """Remind customers of what they owe; a failing project stops no other.

        :param date day: day of the check; a second call on that day does nothing
        """
        for project in self:
            if not project.saas_document_ids._filter_to_remind(day):
                continue
            project._saas_attempt(
                lambda one: one._saas_do_remind(day),
                "onboarding.reminder_failed",
                "saas_retry_reminders",
                queue="customer_success",
            )

    def _saas_do_remind(self, day: date):
        self.ensure_one()
        due = self.saas_document_ids._filter_to_remind(day)
        if not due or not self._saas_is_running_onboarding():
            return
        self._saas_check_customer_reachable()
        due._remind(day)

    def saas_retry_reminders(self):
        """Repeat the reminders from the exception queue.

        :raise UserError: still failing
        """
        for project in self._saas_as_delivery():
            project._saas_do_remind(project._saas_get_local_day(fields.Datetime.now()))
