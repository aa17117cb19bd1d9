# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The steps the shipped automation rule runs when a quotation is confirmed."""

from collections.abc import Callable

from odoo import SUPERUSER_ID, Command, fields, models
from odoo.tools.misc import clean_context

from ..context_marks import PLANNING
from ..exceptions import DocumentError
from ..row_lock import lock_rows


class SaleOrder(models.Model):
    _inherit = "sale.order"

    # ------------------------------------------------------------------
    # Step 1: subscription
    # ------------------------------------------------------------------
    def saas_create_subscription(self) -> bool:
        """Create and activate the subscription of confirmed orders.

        An amendment or renewal order changes the subscription it is about instead.
        Safe to repeat: an order has at most one subscription and one amendment. A
        failure never reaches the caller (who may be a customer signing), it becomes
        an exception.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_create_subscription(),
            "order.subscription_failed",
            "sales_ops",
            "saas_retry_create_subscription",
        )

    def saas_retry_create_subscription(self):
        """Repeat the step from the exception queue.

        :raise UserError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_create_subscription())

    def _saas_do_create_subscription(self):
        self.ensure_one()
        if self.saas_order_kind != "new":
            return self._saas_do_amend()
        lines = self._saas_get_subscription_lines()
        if not self.saas_plan_id or not lines:
            return self.saas_subscription_ids
        self._saas_check_quote()
        subscription = self.saas_subscription_ids[:1]
        if not subscription:
            subscription = self.env["saas.subscription"].create(
                self._prepare_saas_subscription_vals(lines)
            )
        self._saas_grant_coupon(subscription)
        if subscription.state == "draft":
            subscription.action_activate()
        self._saas_schedule_ramps(subscription)
        self.saas_onboarding_project_ids.filtered(
            lambda project: not project.saas_subscription_id
        ).saas_subscription_id = subscription
        return subscription

    def _prepare_saas_subscription_vals(self, lines) -> dict:
        """Prepare the subscription a confirmed order becomes.

        :param lines: order lines it charges
        :return: values of ``saas.subscription``
        """
        self.ensure_one()
        plan = self.saas_plan_id
        start = self.saas_start_date or self.date_order.date()
        term_end = False
        if self.saas_term_months:
            term_end = fields.Date.add(start, months=self.saas_term_months)
        return {
            "partner_id": self.partner_id.id,
            "bill_to_id": self.partner_invoice_id.id,
            "plan_id": plan.id,
            "order_id": self.id,
            "user_id": self.user_id.id,
            "company_id": self.company_id.id,
            "currency_id": self.currency_id.id,
            "pricelist_id": self.pricelist_id.id,
            "payment_term_id": self.payment_term_id.id,
            "fiscal_position_id": self.fiscal_position_id.id,
            "client_order_ref": self.client_order_ref,
            "date_start": start,
            "trial_end": (
                fields.Date.add(start, days=plan.trial_days)
                if plan.trial_days
                else False
            ),
            "term_end": term_end,
            "date_end": False if plan.auto_renew else term_end,
            "saas_correlation_id": self._saas_correlation(),
            "line_ids": [
                Command.create(line._prepare_saas_subscription_line_vals())
                for line in lines
            ],
        }

    # ------------------------------------------------------------------
    # Step 2: onboarding
    # ------------------------------------------------------------------
    def saas_create_onboarding(self) -> bool:
        """Create the onboarding projects of confirmed orders from their templates.

        All packages of an order are one project; those of a later order of the same
        subscription join the project that is running. Safe to repeat: one package per
        order line. A failure becomes an exception, nothing half made stays behind.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_create_onboarding(),
            "order.onboarding_failed",
            "customer_success",
            "saas_retry_create_onboarding",
        )

    def saas_retry_create_onboarding(self):
        """Repeat the step from the exception queue.

        :raise UserError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_create_onboarding())

    def _saas_do_create_onboarding(self):
        self.ensure_one()
        # The plan is made when all packages are there, not with each of their tasks.
        self = self.with_context(saas_planning=PLANNING)
        project = self._saas_get_running_project()
        is_new, added = not project, self.env["saas.onboarding.package"]
        for line, template in self._saas_get_package_lines():
            if self._saas_has_package(line, template):
                continue
            if project:
                project._saas_check_can_join(self)
                added |= project._saas_merge_template(template, self, line)
            else:
                project = template._saas_create_onboarding_project(self, line)
                added |= project.saas_package_ids
        if added:
            project._saas_start(self, added, is_new)
            self._saas_share_signed_pdf()
        return self.saas_onboarding_project_ids

    def _saas_get_running_project(self):
        """Return the project packages of the order join, if there is one.

        :return: the order's own project, else the running one of its subscription
        """
        self.ensure_one()
        # Its own project is the order's also when it is archived or live: there is no
        # second one, see ``_saas_check_can_join``.
        own = self.with_context(active_test=False).saas_own_project_ids
        project = own.sorted(
            lambda one: (not one.active, bool(one.saas_live_on), one.id)
        )[:1].with_env(self.env)
        if project or self.saas_order_kind == "new":
            return project
        return project.search(
            [
                ("saas_subscription_id", "in", self._saas_get_subscription().ids),
                ("saas_live_on", "=", False),
                ("saas_is_cancelled", "=", False),
                ("is_template", "=", False),
            ],
            order="id",
            limit=1,
        )

    def _saas_has_package(self, line, template) -> bool:
        """Return whether a package of the order is delivered by a project already."""
        self.ensure_one()
        packages = self.saas_package_ids.filtered(
            lambda package: (
                package.order_line_id == line and package.template_id == template
            )
        )
        # Projects older than packages know their template only.
        own = self.with_context(active_test=False).saas_own_project_ids
        before = own.filtered(lambda project: not project.saas_package_ids)
        return bool(packages) or template in before.saas_onboarding_template_id

    # ------------------------------------------------------------------
    # Step 3: signed document
    # ------------------------------------------------------------------
    def saas_store_signed_pdf(self) -> bool:
        """Store the signed quotation on the order and its projects, once.

        The PDF is made by a job: the engine fetches pages from this server, and the
        customer should not wait for it.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_enqueue_signed_pdf(),
            "order.signed_pdf_failed",
            "sales_ops",
            "saas_retry_store_signed_pdf",
        )

    def saas_retry_store_signed_pdf(self):
        """Make and store the document now, from the exception queue.

        :raise DocumentError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_store_signed_pdf())

    def _saas_enqueue_signed_pdf(self):
        self.ensure_one()
        if self.saas_signed_attachment_id or not self._saas_is_in_scope():
            return
        # The job outlives a portal visitor's session and needs no rights of theirs.
        self.with_user(SUPERUSER_ID).with_delay(
            description=self.env._("%(order)s: store signed PDF", order=self.name),
            identity_key=f"saas_signed_pdf:{self.id}",
        )._saas_job_store_signed_pdf()

    def _saas_job_store_signed_pdf(self):
        """Make the document in a job; a failure goes to the exception queue."""
        self._saas_run_step(
            lambda order: order._saas_do_store_signed_pdf(),
            "order.signed_pdf_failed",
            "sales_ops",
            "saas_retry_store_signed_pdf",
        )

    def _saas_do_store_signed_pdf(self):
        self.ensure_one()
        attachment = self.saas_signed_attachment_id
        if not attachment:
            attachment = self.env["ir.attachment"].create(
                self._prepare_saas_signed_pdf_vals(self._saas_render_signed_pdf())
            )
            self.saas_signed_attachment_id = attachment
        self._saas_share_signed_pdf()
        return attachment

    def _saas_share_signed_pdf(self):
        """Copy the signed document, once it is there, to the projects of the order."""
        self.ensure_one()
        if self.saas_signed_attachment_id:
            for project in self.saas_onboarding_project_ids:
                project._saas_attach_once(self.saas_signed_attachment_id)

    def _saas_render_signed_pdf(self) -> bytes:
        """Render the quotation with its signature.

        :return: PDF
        :raise DocumentError: no PDF engine, or it failed
        """
        self.ensure_one()
        report = self.env["ir.actions.report"].with_context(
            force_report_rendering=True, lang=self.partner_id.lang
        )
        content, kind = report._render_qweb_pdf(
            "sale.action_report_saleorder", [self.id]
        )
        if kind != "pdf" or not content.startswith(b"%PDF"):
            raise DocumentError(
                self.env._(
                    "%(order)s: the PDF engine gave no PDF. Check that wkhtmltopdf is "
                    "installed, then retry.",
                    order=self.name,
                )
            )
        return content

    def _prepare_saas_signed_pdf_vals(self, content: bytes) -> dict:
        """Prepare the attachment of the signed document.

        :param bytes content: PDF
        :return: values of ``ir.attachment``
        """
        if self.signature:
            name = self.env._("%(order)s (signed).pdf", order=self.name)
        else:
            name = self.env._("%(order)s (confirmed).pdf", order=self.name)
        return {
            "name": name,
            "raw": content,
            "mimetype": "application/pdf",
            "res_model": self._name,
            "res_id": self.id,
            "company_id": self.company_id.id,
        }

    def message_post(self, **kwargs):
        if self.env.context.get("saas_signing") and kwargs.get("attachments"):
            # Without a PDF engine the signed document is kept as the page it is.
            kwargs["attachments"] = [
                (_rename_page(name, content), content, *rest)
                for name, content, *rest in kwargs["attachments"]
            ]
        return super().message_post(**kwargs)

    # ------------------------------------------------------------------
    # Step 4: hand-over
    # ------------------------------------------------------------------
    def saas_notify_handover(self) -> bool:
        """Tell the responsible people and move the account to onboarding, once.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_notify_handover(),
            "order.handover_failed",
            "customer_success",
            "saas_retry_notify_handover",
        )

    def saas_retry_notify_handover(self):
        """Repeat the step from the exception queue.

        :raise UserError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_notify_handover())

    def _saas_do_notify_handover(self):
        self.ensure_one()
        if not self._saas_is_in_scope() or self._saas_has_event("order.handed_over"):
            return
        account = self.partner_id.commercial_partner_id
        projects = self.saas_onboarding_project_ids
        if projects and account.saas_lifecycle in (False, "prospect"):
            account.with_context(
                saas_correlation_id=self._saas_correlation()
            )._saas_set_lifecycle(
                "onboarding", self.env._("Order %(order)s", order=self.name)
            )
        people = self._saas_get_handover_users()
        self._saas_plan_handover_activities(projects)
        self.with_user(SUPERUSER_ID).message_post(
            body=self.env._(
                "Handed over: %(subscription)s, %(projects)s.",
                subscription=self._saas_get_subscription().name
                or self.env._("no subscription"),
                projects=", ".join(projects.mapped("name"))
                or self.env._("no onboarding project"),
            ),
            partner_ids=people.partner_id.ids,
            subtype_xmlid="mail.mt_note",
        )
        self._saas_emit(
            "order.handed_over",
            {"projects": projects.ids, "people": people.ids},
        )

    def _saas_get_handover_users(self):
        """Return the users told about the order: CSM, project managers, salesperson."""
        self.ensure_one()
        account = self.partner_id.commercial_partner_id
        users = (
            account.saas_csm_id
            | self.saas_onboarding_project_ids.user_id
            | self.user_id
        )
        return users.filtered(lambda user: user.active and not user.share)

    def _saas_plan_handover_activities(self, projects):
        """Give each project manager a to-do for the kick-off."""
        todo = self.env.ref("mail.mail_activity_data_todo", raise_if_not_found=False)
        for project in projects.filtered("user_id"):
            if not todo or project.activity_ids.filtered(
                lambda act: act.activity_type_id == todo
            ):
                continue
            project.with_user(SUPERUSER_ID).activity_schedule(
                activity_type_id=todo.id,
                summary=self.env._(
                    "Kick-off with %(partner)s", partner=self.partner_id.name
                ),
                date_deadline=self.saas_start_date,
                user_id=project.user_id.id,
            )

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _saas_is_in_scope(self) -> bool:
        """Return whether the workflow concerns the order at all."""
        self.ensure_one()
        return bool(
            self.saas_plan_id
            or self._saas_get_onboarding_templates()
            or self.saas_onboarding_project_ids
        )

    def _saas_has_event(self, name: str) -> bool:
        """Return whether an event was written for the order."""
        # sudo: the ledger answers yes or no, its rows stay hidden
        return bool(
            self.env["saas.event"]
            .sudo()
            .search_count(
                [
                    ("res_model", "=", self._name),
                    ("res_id", "=", self.id),
                    ("name", "=", name),
                ],
                limit=1,
            )
        )

    def _saas_run_step(
        self, step: Callable, code: str, queue: str, retry_method: str
    ) -> bool:
        """Run one step per confirmed order; a failure becomes an exception.

        :param Callable step: gets one order in superuser mode
        :param str code: exception code
        :param str queue: exception queue
        :param str retry_method: public method that repeats the step
        :return: True
        """
        self.check_access("write")
        for order in self._saas_get_workflow_orders():
            # A customer is signing: whatever breaks behind the counter is ours to
            # repair, not theirs to see.
            order._saas_attempt(
                lambda one: one._saas_do_step(step),
                code,
                retry_method,
                resolves=True,
                queue=queue,
                severity="high",
            )
        return True

    def _saas_repeat_step(self, step: Callable):
        self.check_access("write")
        for order in self._saas_get_workflow_orders():
            order._saas_do_step(step)

    def _saas_do_step(self, step: Callable):
        self._saas_lock()
        step(self)

    def _saas_get_workflow_orders(self):
        """Return the confirmed orders, one context of process and company each."""
        # sudo: the customer who signs owns none of the records the workflow makes;
        # write access to the order itself was checked by the caller.
        for order in self.sudo().filtered(lambda order: order.state == "sale"):
            yield order.with_company(order.company_id).with_context(
                # Values meant for the order must not end up in what it creates.
                clean_context(self.env.context),
                saas_correlation_id=order._saas_correlation(),
            )

    def _saas_lock(self):
        """Take the order's row lock; see ``row_lock.py``."""
        lock_rows(self)


def _rename_page(name: str, content: bytes) -> str:
    """Return the name of an attachment that was meant to be a PDF but is a page."""
    if name.endswith(".pdf") and not content.startswith(b"%PDF"):
        return f"{name.removesuffix('.pdf')}.html"
    return name
