# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace

from odoo import api, models


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _get_rules(self, now, kind="api"):
        """Accept nothing of months that are closed, whatever the source accepts.

        Their events, and the ids these had, may be gone: what comes again must not be
        stored again.
        """
        rules, types = super()._get_rules(now, kind)
        # sudo: senders may not read what is stored
        kept_from = self.env["saas.usage.partition"].sudo()._get_kept_from()
        if kept_from:
            rules = {
                code: replace(
                    rule,
                    oldest=max(rule.oldest, kept_from),
                    limits=replace(
                        rule.limits, max_age=min(rule.limits.max_age, now - kept_from)
                    ),
                )
                for code, rule in rules.items()
            }
        return rules, types
