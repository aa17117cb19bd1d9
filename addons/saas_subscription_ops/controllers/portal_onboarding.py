# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.exceptions import UserError, ValidationError
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal
from odoo.addons.portal.controllers.portal import pager as portal_pager

URL = "/my/onboarding"


class OnboardingPortal(CustomerPortal):
    """The customer's onboarding: plan, own tasks and documents."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "saas_onboarding_count" in counters:
            Project = request.env["project.project"]
            # sudo: see _saas_portal_find
            values["saas_onboarding_count"] = Project.sudo().search_count(
                Project._saas_portal_get_domain()
            )
        return values

    @http.route([URL, f"{URL}/page/<int:page>"], type="http", auth="user", website=True)
    def portal_my_onboardings(self, page: int = 1, **_kwargs):
        """List the onboardings of the visitor's company."""
        Project = request.env["project.project"]
        domain = Project._saas_portal_get_domain()
        projects = Project.sudo()  # sudo: see _saas_portal_find
        pager = portal_pager(
            url=URL,
            total=projects.search_count(domain),
            page=page,
            step=self._items_per_page,
        )
        values = self._prepare_portal_layout_values()
        values.update(
            projects=projects.search(
                domain,
                order="saas_live_on desc, id desc",
                limit=self._items_per_page,
                offset=pager["offset"],
            ),
            page_name="saas_onboarding",
            pager=pager,
            default_url=URL,
        )
        return request.render("saas_subscription_ops.portal_my_onboardings", values)

    @http.route(f"{URL}/<int:project_id>", type="http", auth="user", website=True)
    def portal_my_onboarding(self, project_id: int, done: str = "", **_kwargs):
        """Show one onboarding; others' are answered like missing ones."""
        project = self._find_onboarding(project_id)
        return self._render_onboarding(project, done=done)

    @http.route(
        f"{URL}/<int:project_id>/documents/<int:document_id>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_onboarding_upload(self, project_id: int, document_id: int, **post):
        """Take in a file for a document."""
        project = self._find_onboarding(project_id)
        file = post.get("file")
        if not hasattr(file, "read"):
            error = request.env._("Choose a file first.")
            return self._render_onboarding(project, error=error, at=document_id)
        # One byte more than possible says enough about a file that is too large.
        content = file.read(project._saas_portal_get_max_bytes() + 1)
        return self._do(
            project,
            lambda: project._saas_portal_upload(document_id, file.filename, content),
            "uploaded",
            document_id,
        )

    @http.route(
        f"{URL}/<int:project_id>/tasks/<int:task_id>/done",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_onboarding_task_done(self, project_id: int, task_id: int, **_post):
        """Mark a task of the customer as done."""
        project = self._find_onboarding(project_id)
        return self._do(project, lambda: project._saas_portal_complete(task_id), "task")

    @http.route(
        f"{URL}/<int:project_id>/files/<int:version_id>",
        type="http",
        auth="user",
        readonly=True,
    )
    def portal_onboarding_download(self, project_id: int, version_id: int, **_kwargs):
        """Send a file the customer handed in, to be saved, never shown."""
        project = self._find_onboarding(project_id)
        version = project._saas_portal_find_version(version_id)
        if not version:
            raise request.not_found()
        stream = request.env["ir.binary"]._get_stream_from(
            version.attachment_id, "raw", filename=version.file_name
        )
        return stream.get_response(as_attachment=True)

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def _find_onboarding(self, project_id: int):
        """Return an onboarding of the visitor's own account.

        :return: ``project.project`` with sudo, see ``project_project_portal.py``
        :raise NotFound: another account's, or none
        """
        project = request.env["project.project"]._saas_portal_find(project_id)
        if not project:
            raise request.not_found()
        return project

    def _do(self, project, step, done: str, at: int = 0):
        """Take a step; what is refused leaves nothing behind and is told on the page.

        :param project: ``project.project``
        :param step: call without arguments
        :param str done: what was reached, shown on the page
        :param int at: id of the document the error belongs to
        """
        try:
            with request.env.cr.savepoint():
                step()
        except (UserError, ValidationError) as error:
            return self._render_onboarding(project, error=str(error), at=at)
        return request.redirect(f"{URL}/{project.id}?done={done}")

    def _render_onboarding(self, project, error: str = "", done: str = "", at: int = 0):
        values = self._prepare_portal_layout_values()
        page = project._saas_portal_get_values()
        values.update(
            page,
            error_document_id=at if at in page["documents"].ids else 0,
            # "project" would be taken for Odoo's own project pages.
            onboarding=project,
            page_name="saas_onboarding",
            error=error,
            done=done,
        )
        return request.render("saas_subscription_ops.portal_onboarding_page", values)
