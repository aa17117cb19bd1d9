# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Stored events wake the counting."""

import time

from odoo import api, models

#: Seconds between two times a worker wakes the counting.
REST = 10
#: When the worker woke the counting of a database last.
_woken = {}


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _ingest(self, events, *args, **kwargs):
        """Have what was stored counted soon."""
        result = super()._ingest(events, *args, **kwargs)
        if not result.is_dry_run and result.counts["stored"]:
            self._wake_counting()
        return result

    @api.model
    def _wake_counting(self):
        now = time.monotonic()
        name = self.env.cr.dbname
        if now - _woken.get(name, -REST) < REST:
            return
        _woken[name] = now
        # sudo: the integration role sends events, it may not run jobs
        cron = self.env.ref(
            "saas_usage_billing.ir_cron_saas_usage_count", raise_if_not_found=False
        )
        if cron:
            cron.sudo()._trigger()
