# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is measured or follows from the steps of an onboarding is not typed in."""

from odoo import models


class ProjectProject(models.Model):
    _name = "project.project"
    _inherit = ["project.project", "saas.guard.mixin"]
    _own_fields = (
        "saas_order_id",
        "saas_subscription_id",
        "saas_onboarding_template_id",
        "saas_is_merged",
        "saas_is_cancelled",
        "saas_started_on",
        "saas_go_live_baseline",
        "saas_go_live_predicted",
        "saas_go_live_delay",
        "saas_live_on",
        "saas_days_lead_to_live",
        "saas_days_kickoff_to_live",
        "saas_hypercare_until",
        "saas_hypercare_ended_on",
        "saas_health",
        "saas_health_reason",
        "saas_assessed_on",
        "saas_waiting_on",
        "saas_wait_customer_hours",
        "saas_wait_us_hours",
        "saas_wait_measured_at",
        "saas_hours_budget",
        "saas_hours_spent",
        "saas_hours_progress",
        "saas_survey_rating",
    )
