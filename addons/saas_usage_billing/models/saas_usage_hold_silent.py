# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

from odoo.addons.saas_subscription_ops.engine.period import day_start

from .saas_subscription_usage_periods import to_naive


class SaasUsageHold(models.Model):
    """Usage that waits for its source is let go by itself."""

    _inherit = "saas.usage.hold"

    def saas_retry_release_reached(self):
        """Release what waits for nothing any more, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not release holds
        self.sudo().filtered(lambda one: one.state == "open")._release_reached()

    def _release_reached(self):
        """Release the holds whose source has sent everything, or is waited for no more.

        Call it with open holds of kind silent.
        """
        self.source_id.invalidate_recordset(["reached_until"])
        for hold in self:
            source = hold.source_id
            end = to_naive(day_start(hold.date_to, hold.subscription_id.tz))
            if not source._is_waited_for():
                hold._release(
                    self.env._(
                        "“%(name)s” is not waited for any more.", name=source.name
                    )
                )
            elif source._has_reached(end):
                hold._release(
                    self.env._("“%(name)s” has sent everything.", name=source.name)
                )
