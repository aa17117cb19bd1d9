# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command

from .common import SubscriptionCase

DELIVERY = "project.group_project_user,hr_timesheet.group_hr_timesheet_user"


class OnboardingCase(SubscriptionCase):
    """Templates with dependencies and phases, packages billed by milestones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("sub_delivery", DELIVERY)
        cls.finance = cls.new_user("sub_finance", "account.group_account_invoice")
        cls.phases = cls.env["saas.onboarding.phase"].create(
            [
                {"name": "Test begin", "sequence": 1},
                {"name": "Test middle", "sequence": 2},
                {"name": "Test end", "sequence": 3},
            ]
        )
        cls.migration = cls.create_rich_template("Migration")
        cls.training = cls.create_rich_template("Training", stages=("done", "Review"))
        cls.migration_product = cls.create_package(
            "Migration package", 3000.0, cls.migration, 20.0
        )
        cls.training_product = cls.create_package(
            "Training package", 1000.0, cls.training, 10.0
        )

    # Factories -------------------------------------------------------
    @classmethod
    def create_package(cls, name, price, template, hours=0.0, **vals):
        product = cls.create_product(
            name,
            price,
            saas_onboarding_template_id=template.id,
            saas_onboarding_hours=hours,
            **vals,
        )
        product.product_tmpl_id.service_policy = "delivered_milestones"
        return product

    @classmethod
    def create_rich_template(cls, name, stages=("To do", "Done"), percents=(40, 60)):
        """Create prepare (2 days, two subtasks) -> move (3 days), and milestones."""
        template = cls.env["project.project"].create(
            {
                "name": name,
                "is_template": True,
                "allow_milestones": True,
                "allow_task_dependencies": True,
                "company_id": cls.company.id,
                "type_ids": [
                    Command.create({"name": stage, "sequence": number})
                    for number, stage in enumerate(stages)
                ],
            }
        )
        marks = cls.env["project.milestone"].create(
            [
                {
                    "name": f"{name} ready",
                    "project_id": template.id,
                    "sequence": 1,
                    "saas_day_offset": 3,
                    "saas_phase_id": cls.phases[0].id,
                    "saas_billing_percent": percents[0],
                },
                {
                    "name": f"{name} live",
                    "project_id": template.id,
                    "sequence": 2,
                    "saas_day_offset": 10,
                    "saas_phase_id": cls.phases[2].id,
                    "saas_is_go_live": True,
                    "saas_billing_percent": percents[1],
                },
            ]
        )
        stage = template.type_ids.sorted("sequence")[0].id
        prepare, move = cls.env["project.task"].create(
            [
                {
                    "name": f"{name}: prepare",
                    "project_id": template.id,
                    "stage_id": stage,
                    "saas_day_offset": 3,
                    "saas_duration_days": 2,
                    "milestone_id": marks[0].id,
                },
                {
                    "name": f"{name}: move",
                    "project_id": template.id,
                    "stage_id": stage,
                    "saas_day_offset": 10,
                    "saas_duration_days": 3,
                    "milestone_id": marks[1].id,
                },
            ]
        )
        cls.env["project.task"].create(
            [
                {
                    "name": f"{name}: {part}",
                    "project_id": template.id,
                    "parent_id": prepare.id,
                    "stage_id": stage,
                    "saas_day_offset": offset,
                }
                for part, offset in (("ask", 1), ("check", 2))
            ]
        )
        move.depend_on_ids = prepare
        return template

    @classmethod
    def start(cls, *products, **vals):
        """Confirm an order of packages and return its project."""
        order = cls.create_order([(product, 1) for product in products], **vals)
        order.action_confirm()
        return order.saas_onboarding_project_ids

    @classmethod
    def book(cls, project, hours, task=None, day="2026-03-03"):
        employee = cls.env["hr.employee"].search(
            [("name", "=", "Onboarder"), ("company_id", "=", cls.company.id)]
        ) or cls.env["hr.employee"].create(
            {"name": "Onboarder", "company_id": cls.company.id}
        )
        return cls.env["account.analytic.line"].create(
            {
                "name": "Work",
                "project_id": project.id,
                "task_id": task.id if task else False,
                "employee_id": employee.id,
                "unit_amount": hours,
                "date": day,
            }
        )

    def task(self, project, name):
        tasks = self.env["project.task"].search([("project_id", "in", project.ids)])
        return tasks.filtered(lambda task: task.name == name)

    def milestone(self, project, name):
        return project.milestone_ids.filtered(lambda item: item.name == name)

    def alerts(self, project, code=None):
        found = self.env["saas.onboarding.alert"].search(
            [("project_id", "=", project.id), ("date_closed", "=", False)]
        )
        return found.filtered(lambda alert: not code or alert.code == code)
