# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestOnboardingHours(OnboardingCase):
    """Allocated time of the project follows the packages, unless a person set it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.migration.allocated_hours = 99
        cls.work = cls.create_product("Extra work", 150.0, saas_charge_kind="one_time")
        cls.company.saas_change_product_id = cls.work
        cls.order = cls.create_order(
            [
                (cls.platform, 1),
                (cls.migration_product, 1),
                (cls.training_product, 1),
            ]
        )
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        cls.planner = cls.new_user("sub_planner", "project.group_project_manager")

    def _change(self, hours):
        request = self.env["saas.change.request"].create(
            {"name": "More", "project_id": self.project.id, "hours": hours}
        )
        request.action_estimate()
        request.action_quote()
        request.order_id.action_confirm()
        self.assertEqual(request.state, "accepted")
        return request

    def test_what_was_sold_replaces_what_the_template_says(self):
        self.assertEqual(self.project.allocated_hours, 30)

    def test_it_follows_packages_and_change_requests(self):
        package = self.project.saas_package_ids[0].with_user(self.planner)
        package.hours_budget += 5
        self.assertEqual(self.project.allocated_hours, 35)
        request = self._change(8)
        self.assertEqual(self.project.allocated_hours, 43)
        request.package_id.hours_budget = 4
        self.assertEqual(self.project.allocated_hours, 39)
        request.order_id._action_cancel()
        self.assertEqual(self.project.allocated_hours, 35)

    def test_what_a_person_has_set_stays(self):
        self.project.with_user(self.planner).allocated_hours = 50
        self.project.saas_package_ids[0].hours_budget += 5
        self._change(8)
        self.assertEqual(self.project.allocated_hours, 50)
        self.assertEqual(self.project.saas_hours_budget, 43)
        # Set back to the sum, it follows again.
        self.project.allocated_hours = 43
        self.project.saas_package_ids[0].hours_budget -= 5
        self.assertEqual(self.project.allocated_hours, 38)
