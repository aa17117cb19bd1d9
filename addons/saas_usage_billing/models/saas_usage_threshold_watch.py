# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A new threshold looks at what is used already, not only at what comes."""

from odoo import api, models
from odoo.tools import SQL

from .saas_usage_threshold import SCOPES

#: Fields that say what is reached when.
_WATCHED = {"active", "kind", "value", "product_tmpl_id", "meter_id", *SCOPES}


class SaasUsageThreshold(models.Model):
    _inherit = "saas.usage.threshold"

    @api.model_create_multi
    def create(self, vals_list):
        thresholds = super().create(vals_list)
        thresholds._look_again()
        return thresholds

    def write(self, vals):
        result = super().write(vals)
        if not _WATCHED.isdisjoint(vals):
            self._look_again()
        return result

    def _look_again(self):
        """Have the counting look at all subscriptions with usage, within a minute."""
        companies = self.filtered("active").company_id
        if not companies:
            return
        Subscription = self.env["saas.subscription"]
        Subscription.flush_model(["company_id"])
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO saas_usage_touched (subscription_id)
                SELECT DISTINCT b.subscription_id
                  FROM saas_usage_bucket_state b
                  JOIN saas_subscription s ON s.id = b.subscription_id
                 WHERE s.company_id = ANY(%s)
                    ON CONFLICT DO NOTHING
                """,
                companies.ids,
            )
        )
        # sudo: who sets a threshold may not run jobs
        cron = self.env.ref("saas_usage_billing.ir_cron_saas_usage_count").sudo()
        cron._trigger()
