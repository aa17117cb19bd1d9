# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, freeze_time, tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from ..exceptions import OnboardingError
from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestOnboardingPackages(OnboardingCase):
    """Several packages of an order are one project; its plan follows the kick-off."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project = cls.start(cls.migration_product, cls.training_product)

    # Merging ---------------------------------------------------------
    def test_several_packages_are_one_project(self):
        project = self.project
        self.assertEqual(len(project), 1)
        self.assertEqual(project.saas_onboarding_template_id, self.migration)
        self.assertEqual(
            project.saas_package_ids.mapped("template_id"),
            self.migration | self.training,
        )
        self.assertEqual(len(project.milestone_ids), 4)
        self.assertEqual(len(project._saas_get_all_tasks()), 8)
        self.assertEqual(len(self.migration._saas_get_all_tasks()), 4)
        self.assertEqual(len(self.training._saas_get_all_tasks()), 4)

    def test_subtasks_dependencies_and_milestones_are_kept(self):
        for name in ("Migration", "Training"):
            prepare = self.task(self.project, f"{name}: prepare")
            move = self.task(self.project, f"{name}: move")
            self.assertEqual(move.depend_on_ids, prepare)
            self.assertEqual(move.state, "04_waiting_normal")
            self.assertEqual(
                set(prepare.child_ids.mapped("name")),
                {f"{name}: ask", f"{name}: check"},
            )
            self.assertEqual(prepare.child_ids.project_id, self.project)
            self.assertEqual(prepare.milestone_id.name, f"{name} ready")
            self.assertEqual(move.milestone_id.project_id, self.project)
            package = move.saas_package_id
            self.assertEqual(package.template_id.name, name)
            self.assertEqual((prepare | prepare.child_ids).saas_package_id, package)

    def test_stages_of_the_same_name_are_one(self):
        names = self.project.type_ids.mapped("name")
        self.assertEqual(sorted(names), ["Done", "Review", "To do"])
        tasks = self.project._saas_get_all_tasks()
        self.assertLessEqual(tasks.stage_id, self.project.type_ids)

    def test_a_package_bought_on_two_lines_is_delivered_twice(self):
        project = self.start(self.training_product, self.training_product)
        self.assertEqual(len(project.saas_package_ids), 2)
        self.assertEqual(len(project.milestone_ids), 4)
        self.assertEqual(project.saas_hours_budget, 20.0)

    def test_repeating_the_step_adds_nothing(self):
        order = self.project.saas_order_id
        for _repeat in range(2):
            order.saas_create_onboarding()
        self.assertEqual(order.saas_onboarding_project_ids, self.project)
        self.assertEqual(len(self.project.saas_package_ids), 2)
        self.assertEqual(len(self.events(self.project, "onboarding.started")), 1)

    def test_the_database_knows_one_project_per_order(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.training._saas_create_onboarding_project(
                    self.project.saas_order_id
                )

    def test_the_database_knows_each_package_once(self):
        package = self.project.saas_package_ids[0]
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.project._saas_create_package(
                    package.order_id, package.order_line_id, package.template_id
                )
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                package.hours_budget = -1

    def test_projects_of_before_stay_several(self):
        """An order of an older database with two projects upgrades and goes on."""
        order = self.project.saas_order_id
        old = [
            {
                "name": f"Old {template.name}",
                "company_id": self.company.id,
                "saas_order_id": order.id,
                "saas_onboarding_template_id": template.id,
            }
            for template in (self.migration, self.training)
        ]
        self.assertEqual(len(self.env["project.project"].create(old)), 2)
        self.assertEqual(len(order.saas_onboarding_project_ids), 3)

    def test_a_failing_second_package_leaves_nothing(self):
        cls = type(self.project)
        order = self.create_order([(self.migration_product, 1), (self.package, 1)])
        order.order_line += order.order_line.new(
            {"product_id": self.platform.id, "product_uom_qty": 1}
        )
        count = self.env["project.project"].search_count([])
        with patch.object(cls, "_saas_merge_template", side_effect=UserError("no")):
            order.action_confirm()
        self.assertEqual(self.env["project.project"].search_count([]), count)
        self.assertTrue(self.exceptions("order.onboarding_failed"))
        order.saas_retry_create_onboarding()
        self.assertEqual(len(order.saas_onboarding_project_ids.saas_package_ids), 2)

    def test_later_order_of_the_subscription_joins_the_project(self):
        project = self.start(self.platform, self.migration_product)
        subscription = project.saas_subscription_id
        self.assertTrue(subscription)
        baseline = project.saas_go_live_baseline
        order = self.create_order(
            [(self.training_product, 1)],
            start=date(2026, 3, 16),
            saas_order_kind="amendment",
            saas_amended_subscription_id=subscription.id,
        )
        order.state = "sale"
        self.assertEqual(order.saas_onboarding_project_ids, project)
        self.assertEqual(len(project.saas_package_ids), 2)
        move = self.task(project, "Training: move")
        # 10 working days after Monday 16 March
        self.assertEqual(move.date_deadline.date(), date(2026, 3, 30))
        self.assertEqual(project.saas_go_live_baseline, baseline)
        self.assertEqual(project.saas_go_live_planned, date(2026, 3, 30))
        self.assertEqual(len(self.events(project, "onboarding.package_added")), 1)
        project.saas_live_on = date(2026, 4, 1)
        after = self.create_order(
            [(self.migration_product, 1)],
            saas_order_kind="amendment",
            saas_amended_subscription_id=subscription.id,
        )
        after.state = "sale"
        self.assertTrue(after.saas_onboarding_project_ids)
        self.assertNotEqual(after.saas_onboarding_project_ids, project)

    # Templates -------------------------------------------------------
    def test_template_without_content_is_refused_and_fails_whole(self):
        self.training._saas_get_all_tasks().unlink()
        self.training.milestone_ids.unlink()
        order = self.create_order([(self.platform, 1), (self.training_product, 1)])
        with self.assertRaisesRegex(UserError, "neither tasks nor"):
            order.action_quotation_send()
        with patch.object(type(order), "_saas_get_template_problems", return_value=[]):
            order.action_confirm()
        self.assertFalse(order.saas_onboarding_project_ids)
        self.assertIn("neither tasks", self.exceptions("order.onboarding_failed").name)

    def test_package_sold_alone_is_refused_like_others(self):
        self.training._saas_get_all_tasks().unlink()
        self.training.milestone_ids.unlink()
        order = self.create_order([(self.training_product, 1)])
        for step in (
            "action_quotation_send",
            "action_quotation_sent",
            "action_confirm",
        ):
            with self.assertRaisesRegex(UserError, "neither tasks nor"):
                getattr(order, step)()
        self.assertIn("neither tasks nor", order.saas_quote_problem)
        self.assertEqual(order.state, "draft")

    def test_percentages_over_100_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "100"):
            self.migration.milestone_ids[0].saas_billing_percent = 41
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                self.migration.milestone_ids[0].saas_billing_percent = -1

    def test_template_is_set_up_wholly_on_screen(self):
        manager = self.new_user(
            "sub_templates",
            "project.group_project_manager,saas_core.group_saas_core_customer_success",
        )
        Project = self.env["project.project"].with_user(manager)
        action = self.env.ref("saas_subscription_ops.saas_onboarding_template_action")
        form = Form(
            Project.with_context(
                default_is_template=True,
                default_allow_milestones=True,
                default_allow_task_dependencies=True,
            ),
            view="project.edit_project",
        )
        form.name = "On screen"
        form.saas_tolerance_days = 2
        for name, offset, percent in (("Begin", 2, 30), ("Live", 5, 70)):
            with form.milestone_ids.new() as line:
                line.name = name
                line.saas_day_offset = offset
                line.saas_billing_percent = percent
                line.saas_phase_id = self.phases[0]
        with form.task_ids.new() as line:
            line.name = "Do it"
            line.saas_day_offset = 4
            line.saas_duration_days = 3
        template = form.save()
        self.assertTrue(template.is_template)
        self.assertIn(("is_template", "=", True), safe_eval(action.domain))
        product = self.create_package("Screen package", 100.0, template)
        project = self.start(product)
        self.assertEqual(project.saas_go_live_planned, date(2026, 3, 9))
        self.assertEqual(self.task(project, "Do it").saas_duration_days, 3)

    def test_template_can_be_copied(self):
        copied = self.migration.copy()
        self.assertTrue(copied.is_template)
        self.assertEqual(
            sorted(copied.milestone_ids.mapped("saas_billing_percent")), [40, 60]
        )

    def test_product_makes_one_project_not_two(self):
        with self.assertRaisesRegex(ValidationError, "second project"):
            self.training_product.service_tracking = "project_only"
        self.training_product.service_tracking = "task_global_project"

    # Hours -----------------------------------------------------------
    def test_hours_are_counted_per_package_and_project(self):
        project = self.project
        self.assertEqual(project.saas_hours_budget, 30.0)
        self.assertEqual(project.allocated_hours, 30.0)
        self.book(project, 5, self.task(project, "Migration: move"))
        self.book(project, 1, self.task(project, "Migration: ask"))
        self.book(project, 4)
        package = project.saas_package_ids.filtered(
            lambda one: one.template_id == self.migration
        )
        self.assertEqual((package.hours_spent, package.hours_progress), (6.0, 30.0))
        self.assertEqual(project.saas_hours_spent, 10.0)
        self.assertAlmostEqual(project.saas_hours_progress, 33.33, 2)

    def test_new_tasks_find_their_package(self):
        move = self.task(self.project, "Training: move")
        Task = self.env["project.task"]
        child = Task.create({"name": "New", "parent_id": move.id})
        self.assertEqual(child.saas_package_id, move.saas_package_id)
        alone = Task.create({"name": "Alone", "project_id": self.project.id})
        self.assertFalse(alone.saas_package_id)
        single = self.start(self.training_product)
        task = Task.create({"name": "Only one", "project_id": single.id})
        self.assertEqual(task.saas_package_id, single.saas_package_ids)

    # Plan ------------------------------------------------------------
    def test_plan_counts_working_days_from_the_kickoff(self):
        project = self.project
        self.assertEqual(project.saas_kickoff_on, date(2026, 3, 2))
        self.assertEqual(
            self.milestone(project, "Migration ready").deadline, date(2026, 3, 5)
        )
        self.assertEqual(project.saas_go_live_planned, date(2026, 3, 16))
        self.assertEqual(project.saas_go_live_baseline, date(2026, 3, 16))
        self.assertEqual(project.saas_go_live_predicted, date(2026, 3, 16))
        self.assertEqual(project.saas_health, "on_track")

    def test_moving_the_kickoff_moves_what_is_open(self):
        project = self.project
        ready = self.milestone(project, "Migration ready")
        ready.is_reached = True
        asked = self.task(project, "Migration: ask")
        asked.state = "1_done"
        by_hand = self.task(project, "Migration: check")
        by_hand.date_deadline = "2026-03-06 16:00:00"
        project.with_user(self.delivery).action_saas_reschedule("2026-03-09")
        self.assertEqual(ready.deadline, date(2026, 3, 5))
        self.assertEqual(asked.date_deadline.date(), date(2026, 3, 3))
        self.assertEqual(by_hand.date_deadline.date(), date(2026, 3, 13))
        move = self.task(project, "Migration: move")
        self.assertEqual(move.date_deadline.date(), date(2026, 3, 23))
        self.assertEqual(project.saas_go_live_planned, date(2026, 3, 23))
        self.assertEqual(project.saas_go_live_baseline, date(2026, 3, 16))
        self.assertEqual(
            set(project.saas_package_ids.mapped("date_start")), {date(2026, 3, 9)}
        )
        project.action_saas_reschedule("2026-03-09")
        project.action_saas_reschedule("2026-03-02")
        self.assertEqual(move.date_deadline.date(), date(2026, 3, 16))

    def test_kickoff_in_another_age_is_refused(self):
        with self.assertRaisesRegex(OnboardingError, "Check the year"):
            self.project.action_saas_reschedule("2027-03-02")
        with self.assertRaisesRegex(OnboardingError, "Enter the new kick-off"):
            self.project.action_saas_reschedule(False)

    def test_moving_the_kickoff_skips_holidays(self):
        leave = self.env["resource.calendar.leaves"].create(
            {
                "name": "Holiday",
                "date_from": "2026-03-12 00:00:00",
                "date_to": "2026-03-12 23:59:59",
            }
        )
        leave.company_id = self.company
        self.project.action_saas_reschedule(date(2026, 3, 9))
        ready = self.milestone(self.project, "Migration ready")
        self.assertEqual(ready.deadline, date(2026, 3, 13))

    def test_wizard_moves_the_kickoff(self):
        action = self.project.action_saas_move_kickoff()
        wizard = Form(
            self.env[action["res_model"]]
            .with_user(self.delivery)
            .with_context(**action["context"])
        )
        self.assertEqual(wizard.kickoff, date(2026, 3, 2))
        wizard.kickoff = date(2026, 3, 4)
        wizard.save().action_move()
        self.assertEqual(self.project.saas_kickoff_on, date(2026, 3, 4))

    def test_what_is_live_is_not_moved(self):
        self.project.saas_live_on = date(2026, 3, 20)
        with self.assertRaisesRegex(UserError, "no running onboarding"):
            self.project.action_saas_reschedule(date(2026, 3, 9))

    def test_agreeing_another_go_live_moves_its_milestones(self):
        self.project.saas_go_live_planned = date(2026, 4, 1)
        live = self.project.milestone_ids.filtered("saas_is_go_live")
        self.assertEqual(set(live.mapped("deadline")), {date(2026, 4, 1)})

    def test_phase_is_that_of_the_first_open_milestone(self):
        project = self.project
        self.assertEqual(project.saas_phase_id, self.phases[0])
        self.milestone(project, "Migration ready").is_reached = True
        self.assertEqual(project.saas_phase_id, self.phases[0])
        self.milestone(project, "Training ready").is_reached = True
        self.assertEqual(project.saas_phase_id, self.phases[2])
        Board = self.env["project.project"].with_context(read_group_expand=True)
        board = Board.web_read_group(
            [("id", "=", project.id)], ["saas_phase_id"], ["__count"]
        )
        shown = {group["saas_phase_id"][0] for group in board["groups"]}
        self.assertLessEqual(set(self.phases.ids), shown)

    # Access ----------------------------------------------------------
    def test_delivery_plans_and_others_do_not(self):
        for user in (self.delivery, self.csm):
            self.project.with_user(user).action_saas_assess()
        for user in (self.auditor, self.salesperson, self.finance):
            with self.assertRaises(AccessError):
                self.project.with_user(user).action_saas_assess()
            with self.assertRaises(AccessError):
                self.project.with_user(user).action_saas_reschedule("2026-03-09")

    def test_budget_is_changed_by_customer_success_only(self):
        package = self.project.saas_package_ids[0]
        package.with_user(self.csm).hours_budget = 50
        self.assertEqual(self.project.saas_hours_budget, 60.0)
        for user in (self.delivery, self.auditor, self.salesperson):
            self.assertEqual(package.with_user(user).hours_budget, 50)
            with self.assertRaises(AccessError):
                package.with_user(user).hours_budget = 10

    def test_phases_are_configured_by_customer_success(self):
        phase = self.phases[0]
        phase.with_user(self.csm).name = "Renamed"
        self.assertEqual(phase.with_user(self.delivery).name, "Renamed")
        with self.assertRaises(AccessError):
            phase.with_user(self.delivery).name = "No"

    def test_another_company_sees_no_packages(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        user = self.new_user(
            "sub_else", "project.group_project_manager,base.group_user", other
        )
        package = self.project.saas_package_ids[0]
        with self.assertRaises(AccessError):
            package.with_user(user).read(["name"])
        with self.assertRaises(AccessError):
            self.project.with_user(user).action_saas_assess()

    def test_portal_reads_no_health_and_no_hours(self):
        portal = self.new_user("sub_portal_pm", "base.group_portal")
        portal.partner_id.parent_id = self.partner
        self.project.privacy_visibility = "portal"
        self.project.message_subscribe(portal.partner_id.ids)
        project = self.project.with_user(portal)
        self.assertTrue(project.name)
        for name in ("saas_health", "saas_health_reason", "saas_hours_spent"):
            with self.assertRaises(AccessError):
                project.read([name])

    def test_archived_manager_is_not_asked(self):
        self.csm.active = False
        project = self.start(self.training_product)
        self.assertEqual(project.user_id, self.salesperson)

    def test_role_of_the_second_package_is_staffed_or_reported(self):
        role = self.env["project.role"].create({"name": "Nobody"})
        move = self.task(self.training, "Training: move")
        move.role_ids = [Command.set((role | self.role_csm).ids)]
        project = self.start(self.migration_product, self.training_product)
        copied = self.task(project, "Training: move")
        self.assertEqual(copied.user_ids, self.csm)
        self.assertFalse(copied.role_ids)
        self.assertEqual(move.role_ids, role | self.role_csm)
        report = self.exceptions("onboarding.role_unassigned").filtered(
            lambda one: one.res_id == project.id
        )
        self.assertIn("Nobody", report.name)
