# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace
from datetime import timedelta

from odoo import api, models

#: Days a late feed may be old: a wrong year must not open the books of all times.
LATE_DAYS = 3660


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _get_rules(self, now, kind="api"):
        """Accept older events of a file that is a late feed.

        The context key ``saas_usage_late_feed`` says so; it lifts nothing for what
        comes through the API.
        """
        rules, types = super()._get_rules(now, kind)
        if kind in ("upload", "replay") and self.env.context.get(
            "saas_usage_late_feed"
        ):
            age = timedelta(days=LATE_DAYS)
            rules = {
                code: replace(
                    rule, oldest=now - age, limits=replace(rule.limits, max_age=age)
                )
                for code, rule in rules.items()
            }
        return rules, types
