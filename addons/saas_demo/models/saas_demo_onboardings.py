# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Onboardings of those customers: one waits, one is being checked, one is live."""

import base64
from datetime import timedelta

from odoo import Command, api, fields, models

#: What customers send; any text will do as long as it is a PDF.
PAPER = b"%%PDF-1.4\n%% %s\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%%%EOF\n"
WAITING, CHECKED, LIVE = "sable", "redwood", "polaris"
#: Calendar days since the kick-off of each.
KICKOFFS = {WAITING: 16, CHECKED: 11, LIVE: 40}


class SaasDemo(models.AbstractModel):
    _inherit = "saas.demo"

    @api.model
    def _prepare_onboardings(self) -> None:
        """Let delivery work on the data migrations of three customers, once."""
        product = self.env.ref("saas_demo.product_migration")
        if self.env["sale.order.line"].search_count(
            [("product_id", "=", product.id)], limit=1
        ):
            return
        today = fields.Date.context_today(self)
        projects = {
            name: self._sell_migration(name, today - timedelta(days=days))
            for name, days in KICKOFFS.items()
        }
        self._wait_for(projects[WAITING])
        self._check_documents(projects[CHECKED])
        self._ask_for_change(projects[CHECKED])
        self._go_live(projects[LIVE])
        # The daily job: health, alerts and reminders of today.
        self.env["project.project"]._check_onboarding(today)

    def _sell_migration(self, name: str, kickoff):
        """Sell a data migration to a customer; return its project as delivery sees it.

        :param str name: of the customer's XML id
        :param date kickoff: when the work began
        """
        order = self._as("sales")["sale.order"].create(
            {
                "partner_id": self.env.ref(f"saas_demo.partner_{name}").id,
                "order_line": [
                    Command.create(
                        {"product_id": self.env.ref("saas_demo.product_migration").id}
                    )
                ],
            }
        )
        order.action_confirm()
        self._run_rule("base_automation_sale_order_start_workflow", order)
        project = order.sudo().saas_onboarding_project_ids.with_env(self._as("csm"))
        project.action_saas_reschedule(kickoff)
        project.action_saas_request_documents()
        return project

    def _wait_for(self, project) -> None:
        """Note that nothing came yet, and why."""
        self.env["saas.onboarding.wait.wizard"].with_env(project.env).create(
            {
                "project_id": project.id,
                "side": "customer",
                "reason": self.env._("Their data protection officer is on leave"),
            }
        ).action_confirm()

    def _check_documents(self, project) -> None:
        """Accept one document, refuse one, leave one to be looked at."""
        accepted, refused, received = project.saas_document_ids[:3]
        for document in (accepted, refused, received):
            self._hand_in(document)
        self._run_rule("base_automation_document_received", received)
        accepted.action_accept()
        self.env["saas.onboarding.document.decide.wizard"].with_env(project.env).create(
            {
                "document_ids": [Command.set(refused.ids)],
                "version_id": refused.current_version_id.id,
                "decision": "refuse",
                "reason": self.env._("The columns of the table of invoices are empty."),
            }
        ).action_confirm()

    def _ask_for_change(self, project) -> None:
        """Record a wish beyond the scope, estimate and quote it."""
        request = project.env["saas.change.request"].create(
            {
                "project_id": project.id,
                "name": self.env._("Migrate the archive of 2019 as well"),
                "description": self.env._("Same tables, older format of dates."),
                "reason": self.env._("Their auditors ask for seven years."),
                "hours": 6.0,
            }
        )
        request.action_estimate()
        request.action_quote()

    def _go_live(self, project) -> None:
        """Take everything in, finish the work, reach the milestones."""
        documents = project.saas_document_ids
        for document in documents.filtered("is_required"):
            self._hand_in(document)
            document.action_accept()
        self.env["saas.onboarding.document.decide.wizard"].with_env(project.env).create(
            {
                "document_ids": [
                    Command.set(documents.filtered(lambda one: one.is_open).ids)
                ],
                "decision": "waive",
                "reason": self.env._("They compared the records themselves."),
            }
        ).action_confirm()
        tasks = project.task_ids
        tasks.write({"state": "1_done"})
        self._run_rule("base_automation_saas_task_replanned", tasks)
        for milestone in project.milestone_ids.sorted("deadline"):
            milestone.is_reached = True
            self._run_rule("base_automation_saas_milestone_replanned", milestone)
            self._run_rule("base_automation_project_milestone_reached", milestone)

    def _hand_in(self, document) -> None:
        """Upload a file somebody sent by mail."""
        document.env["saas.onboarding.document.upload.wizard"].create(
            {
                "document_id": document.id,
                "file_name": f"{document.name}.pdf",
                "content": base64.b64encode(PAPER % document.name.encode()),
            }
        ).action_confirm()
