# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What customers see and do of their onboarding; the controller asks nothing else.

The records come with sudo, found through the visitor's own account only. Nothing
internal leaves: no other tasks, hours, prices, health, notes.
"""

from odoo import api, models

from ..exceptions import OnboardingDocumentError, OnboardingError
from .project_project import ONBOARDING

STATE_COLORS = {
    "requested": "warning",
    "refused": "danger",
    "received": "info",
    "accepted": "success",
    "waived": "secondary",
}


class ProjectProject(models.Model):
    _inherit = "project.project"

    @api.model
    def _saas_portal_get_domain(self) -> list:
        """Return the domain of the onboardings of the visitor's account."""
        user = self.env.user
        return [
            ("partner_id.commercial_partner_id", "=", user.commercial_partner_id.id),
            ("company_id", "in", user.company_ids.ids),
            *ONBOARDING,
        ]

    @api.model
    def _saas_portal_find(self, project_id: int):
        """Return an onboarding of the visitor's account, or nothing.

        :param int project_id: id from the address bar
        :return: ``project.project`` with sudo, for what this file does with it
        """
        domain = [("id", "=", project_id), *self._saas_portal_get_domain()]
        # sudo: projects are not shared, the domain is the customer's right
        return self.sudo().search(domain, limit=1)

    # ------------------------------------------------------------------
    # Page
    # ------------------------------------------------------------------
    def _saas_portal_get_values(self) -> dict:
        """Return what the page of one onboarding shows."""
        self.ensure_one()
        documents = self.saas_document_ids.filtered(lambda one: one.state != "draft")
        tasks = self._saas_portal_get_tasks().filtered(
            lambda one: one.state != "1_canceled"
        )
        milestones = self._saas_get_milestones()
        rows = [self._saas_portal_prepare_task(task) for task in tasks]
        rows.sort(key=lambda row: (row["is_done"], row["is_later"]))
        return {
            "milestones": milestones,
            "reached_count": len(milestones.filtered("is_reached")),
            "next_milestone": milestones.filtered(lambda m: not m.is_reached)[:1],
            "task_rows": rows,
            "documents": documents.sorted(lambda d: (not d._is_with_customer(), d.id)),
            "document_colors": STATE_COLORS,
            "todo_count": self._saas_portal_count_todo(),
            "contacts": self._saas_portal_get_contacts(),
            "max_megabytes": self._saas_portal_get_max_bytes() // (1024 * 1024),
            "accept": ",".join(f".{one}" for one in documents._get_extensions()),
        }

    def _saas_portal_get_max_bytes(self) -> int:
        """Return how large a file may be that the customer hands in."""
        return self.saas_document_ids._get_max_bytes()

    def _saas_portal_prepare_task(self, task) -> dict:
        return {
            "task": task,
            "due": self._saas_get_local_day(task.date_deadline)
            if task.date_deadline
            else None,
            "is_done": task.is_closed,
            "is_later": bool(not task.is_closed and task._saas_get_open_predecessors()),
        }

    def _saas_portal_get_tasks(self):
        """Return the tasks of the customer; templates of tasks are no work."""
        self.ensure_one()
        return self.tasks.filtered(
            lambda one: one.saas_is_customer_task and not one.has_template_ancestor
        )

    def _saas_portal_count_todo(self) -> int:
        """Return how many things the customer could do now."""
        self.ensure_one()
        documents = self.saas_document_ids.filtered(lambda d: d._is_with_customer())
        tasks = self.tasks.filtered(lambda task: task._saas_is_waited_for())
        return len(documents) + len(tasks)

    def _saas_portal_get_contacts(self) -> list[dict]:
        """Return who the customer may talk to: project manager, success manager."""
        self.ensure_one()
        account = self.partner_id.commercial_partner_id
        people = (
            (self.user_id, self.env._("Project manager")),
            (account.saas_csm_id, self.env._("Customer success manager")),
        )
        contacts = {}
        for user, role in people:
            if user and user.active:
                contacts.setdefault(user, []).append(role)
        return [
            {
                "name": user.name,
                "email": user.email,
                "phone": user.phone,
                "role": ", ".join(roles),
            }
            for user, roles in contacts.items()
        ]

    def _saas_get_portal_url(self) -> str:
        """Return the full address of the customer's page, for mails."""
        self.ensure_one()
        return f"{self.get_base_url()}/my/onboarding/{self.id}"

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def _saas_portal_upload(self, document_id: int, file_name: str, content: bytes):
        """Take in a file of the customer.

        :param int document_id: document of this project that was requested
        :param str file_name: name as sent
        :param bytes content: the file
        :return: ``saas.onboarding.document.version``
        :raise OnboardingDocumentError: no such document, or a file that can't be taken
        :raise TransitionError: the document is settled
        """
        self.ensure_one()
        document = self.saas_document_ids.filtered(
            lambda one: one.id == document_id and one.state != "draft"
        )
        if not document:
            raise OnboardingDocumentError(
                self.env._("This document is not asked for any more. Reload the page.")
            )
        return document._add_version(file_name, content, from_portal=True)

    def _saas_portal_complete(self, task_id: int) -> bool:
        """Mark a task of the customer as done.

        :param int task_id: task of this project
        :return: whether it was open
        :raise OnboardingError: no task of theirs, or not its turn yet
        """
        self.ensure_one()
        task = self._saas_portal_get_tasks().filtered(lambda one: one.id == task_id)
        if not task:
            raise OnboardingError(
                self.env._("This task is not yours any more. Reload the page.")
            )
        return task._saas_complete_in_portal()

    def _saas_portal_find_version(self, version_id: int):
        """Return a version of a document of this project the customer may download.

        :param int version_id: id from the address bar
        """
        self.ensure_one()
        return self.saas_document_ids.version_ids.filtered(
            lambda one: one.id == version_id
        )
