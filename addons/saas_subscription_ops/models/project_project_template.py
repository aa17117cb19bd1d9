# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Packages of an order become one project, each from its template."""

from odoo import Command, fields, models
from odoo.tools import float_compare

from ..exceptions import OnboardingError


class ProjectProject(models.Model):
    _inherit = "project.project"

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    def _saas_get_template_problem(self) -> str:
        """Return why nothing can be made from this template, empty when it can."""
        self.ensure_one()
        if not self.is_template or not self.active:
            return self.env._(
                "%(template)s is no project template any more: set another "
                "onboarding template on the product or plan.",
                template=self.name,
            )
        if not self.milestone_ids and not self.task_ids:
            return self.env._(
                "The onboarding template %(template)s has neither tasks nor "
                "milestones: add them, or set another template on the product or "
                "plan.",
                template=self.name,
            )
        return ""

    def _saas_check_template(self):
        problem = self._saas_get_template_problem()
        if problem:
            raise OnboardingError(problem)

    # ------------------------------------------------------------------
    # Creation
    # ------------------------------------------------------------------
    def _saas_create_onboarding_project(self, order, line=None):
        """Create the onboarding project of an order from this template, its frame.

        :param order: confirmed ``sale.order``
        :param line: ``sale.order.line`` of the package; None: brought by the plan
        :return: the project, its package not yet planned
        :raise OnboardingError: not a template, or nothing in it
        """
        self.ensure_one()
        self._saas_check_template()
        mapping = self._saas_create_role_mapping(order)
        project = self.action_create_from_template(
            self._prepare_saas_onboarding_vals(order, line), mapping
        )
        tasks = project._saas_get_all_tasks()
        package = project._saas_create_package(order, line, self)
        project._saas_adopt(package, tasks, project.milestone_ids)
        project._saas_report_unassigned(mapping)
        return project

    def _prepare_saas_onboarding_vals(self, order, line=None) -> dict:
        """Prepare what the project has beyond its template.

        :param order: ``sale.order``
        :param line: ``sale.order.line`` of the package, or None
        :return: values of ``project.project``
        """
        self.ensure_one()
        account = order.partner_id.commercial_partner_id
        manager = account.saas_csm_id | self.user_id | order.user_id
        manager = manager._saas_filter_assignable(order.company_id)
        start = order.saas_start_date or fields.Date.context_today(self)
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
            # Hours are booked on it, also if the template was made without.
            "allow_timesheets": True,
            "saas_order_id": order.id,
            "saas_subscription_id": order._saas_get_subscription()[:1].id,
            "saas_onboarding_template_id": self.id,
            "saas_is_merged": True,
            "saas_started_on": start,
            "saas_kickoff_on": start,
            "saas_correlation_id": order._saas_correlation(),
        }
        if line and line.is_service:
            vals.update(allow_billable=True, sale_line_id=line.id)
        if self.date_start and self.date:
            vals.update(date_start=start, date=start + (self.date - self.date_start))
        return vals

    def _saas_start(self, order, packages, is_new):
        """Plan the packages just added and tell of them.

        :param order: ``sale.order`` that sold them
        :param packages: ``saas.onboarding.package``
        :param bool is_new: whether the project was made for them
        """
        self.ensure_one()
        self._saas_plan(packages)
        self._saas_assess(fields.Date.context_today(self))
        payload = {
            "project": self.name,
            "order": order.name,
            "packages": packages.mapped("name"),
        }
        if is_new:
            payload["template"] = self.saas_onboarding_template_id.name
            self._saas_emit("onboarding.started", payload)
        else:
            self._saas_emit("onboarding.package_added", payload)

    def _saas_merge_template(self, template, order, line=None):
        """Copy the tasks and milestones of another package into this project.

        Stages of the same name are one; subtasks, dependencies and the milestones of
        tasks are kept.

        :param template: ``project.project`` that is a template
        :param order: ``sale.order`` that sold the package
        :param line: ``sale.order.line`` of the package; None: brought by the plan
        :return: the ``saas.onboarding.package``, not yet planned
        :raise OnboardingError: not a template, or nothing in it
        """
        self.ensure_one()
        template._saas_check_template()
        package = self._saas_create_package(order, line, template)
        for feature in (
            "allow_milestones",
            "allow_task_dependencies",
            "allow_recurring_tasks",
        ):
            if template[feature] and not self[feature]:
                self[feature] = True
        milestones, tasks = self._saas_copy_template_items(template)
        self._saas_adopt(package, tasks, milestones)
        mapping = self._saas_create_role_mapping(order, template)
        self._saas_assign_roles(tasks, mapping)
        self._saas_report_unassigned(mapping)
        return package

    def _saas_copy_template_items(self, template):
        """Copy milestones and tasks of a template; return the new ones."""
        marks = {}
        milestones = self.env["project.milestone"]
        if template.allow_milestones:
            milestones = template.milestone_ids.with_context(
                milestone_mapping=marks
            ).copy({"project_id": self.id})
        stages = self._saas_merge_stages(template)
        roots = self.env["project.task"].search(
            [("project_id", "=", template.id), ("parent_id", "=", False)]
        )
        before = self._saas_get_all_tasks()
        roots.with_context(
            copy_project=True,
            copy_from_template=True,
            copy_from_project_template=True,
            milestone_mapping=marks,
            mail_create_nosubscribe=True,
            mail_auto_subscribe_no_notify=True,
        ).copy(template._map_tasks_default_values(self))
        stray = self.env["project.task"].with_context(active_test=False)
        stray = stray.search(
            [
                ("project_id", "=", template.id),
                ("saas_template_task_id.project_id", "=", template.id),
            ]
        )
        # Odoo copies subtasks into the project of the original.
        stray.project_id = self
        tasks = self._saas_get_all_tasks() - before
        for task in tasks:
            stage = task.saas_template_task_id.stage_id
            stage = stages.get(stage, stage)
            if task.stage_id != stage:
                task.stage_id = stage
        # Odoo gave the project the stages its new tasks came with.
        self.type_ids -= self.env["project.task.type"].concat(
            *(stage for stage, own in stages.items() if stage != own)
        )
        return milestones, tasks

    def _saas_merge_stages(self, template) -> dict:
        """Give the project the stages of a template it has none of the same name for.

        :return: dict of stages of the template to those of the project
        """
        stages = {}
        for stage in template.type_ids:
            same = self.type_ids.filtered(
                lambda own, name=stage.name: (
                    own.name.strip().lower() == name.strip().lower()
                )
            )
            if not same:
                self.type_ids = [Command.link(stage.id)]
            stages[stage] = same[:1] or stage
        return stages

    def _saas_get_all_tasks(self):
        """Return all tasks and subtasks of a project, closed and archived ones too."""
        return (
            self.env["project.task"]
            .with_context(active_test=False)
            .search([("project_id", "in", self.ids)])
        )

    # ------------------------------------------------------------------
    # Packages
    # ------------------------------------------------------------------
    def _saas_create_package(self, order, line=None, template=None, **vals):
        """Add a package to the project, once per order line and template.

        :param order: ``sale.order`` that sold it
        :param line: ``sale.order.line``, or None
        :param template: ``project.project`` it is made from, or None
        :param vals: more values of ``saas.onboarding.package``, for example hours
        :return: the ``saas.onboarding.package``
        """
        self.ensure_one()
        product = line.product_id if line else self.env["product.product"]
        hours = 0.0
        if line:
            hours = product.saas_onboarding_hours * line.product_uom_qty
        start = self.saas_kickoff_on
        if order != self.saas_order_id:
            start = order.saas_start_date or fields.Date.context_today(self)
            start = max(start, self.saas_kickoff_on or start)
        return self.env["saas.onboarding.package"].create(
            {
                "project_id": self.id,
                "order_id": order.id,
                "order_line_id": line.id if line else False,
                "template_id": template.id if template else False,
                "product_id": product.id,
                "hours_budget": hours,
                "date_start": start,
                **vals,
            }
        )

    def _saas_adopt(self, package, tasks, milestones):
        """Tie what was copied from a template to its package, and to its billing."""
        tasks.saas_package_id = package
        self._saas_restore_dependencies(tasks)
        milestones.saas_package_id = package
        if not self.milestone_ids.filtered("saas_is_go_live"):
            self._saas_get_go_live_milestones().saas_is_go_live = True
        self._saas_bill_milestones(package, milestones)

    def _saas_restore_dependencies(self, tasks):
        """Let the copies wait for the copies of what their originals wait for."""
        copies = {task.saas_template_task_id: task for task in tasks}
        for task in tasks:
            needs = task.saas_template_task_id.depend_on_ids
            wanted = tasks.browse(copies[need].id for need in needs if need in copies)
            if task.depend_on_ids != wanted:
                task.depend_on_ids = wanted

    def _saas_bill_milestones(self, package, milestones):
        """Tie the milestones to the order line that is billed when they are reached.

        Without percentages the go-live bills everything. What a subscription charges
        is billed by runs, prepaid products from the order: no milestone bills those.
        """
        line = package.order_line_id
        if (
            not line
            or line.product_id.saas_charge_kind
            or line.qty_delivered_method != "milestones"
            or not milestones
        ):
            return
        billing = milestones.filtered("saas_billing_percent")
        if not billing:
            last = milestones.filtered("saas_is_go_live") or milestones
            billing = last.sorted(lambda item: (item.sequence, item.id))[-1:]
            billing.saas_billing_percent = 100
        for milestone in billing:
            percent = milestone.saas_billing_percent / 100
            milestone.write({"sale_line_id": line.id, "quantity_percentage": percent})
        percent = sum(billing.mapped("saas_billing_percent"))
        if float_compare(percent, 100, precision_digits=2) < 0:
            self._saas_raise(
                "onboarding.billing_incomplete",
                self.env._(
                    "%(project)s: the milestones of %(package)s bill only %(percent)s "
                    "%% of its price. Add the rest to a milestone, or invoice it by "
                    "hand.",
                    project=self.name,
                    package=package.name,
                    percent=round(percent, 2),
                ),
                queue="finance",
            )

    # ------------------------------------------------------------------
    # Roles
    # ------------------------------------------------------------------
    def _saas_create_role_mapping(self, order, template=None):
        """Map every role of a template's tasks to users.

        :param order: ``sale.order``
        :param template: ``project.project``; default this one
        :return: ``project.template.role.to.users.map`` records
        """
        template = template or self
        tasks = template.task_ids | template.task_ids._get_all_subtasks()
        return self.env["project.template.role.to.users.map"].create(
            [
                {
                    "role_id": role.id,
                    "user_ids": [Command.set(role._saas_get_users(order).ids)],
                }
                for role in tasks.role_ids
            ]
        )

    def _saas_assign_roles(self, tasks, mapping):
        for task in tasks.filtered("role_ids"):
            entries = mapping.filtered(
                lambda entry, t=task: entry.role_id in t.role_ids
            )
            task.user_ids |= entries.user_ids
        tasks.role_ids = False

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
