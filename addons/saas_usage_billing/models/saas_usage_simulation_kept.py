# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, time

from odoo import api, models
from odoo.exceptions import ValidationError
from odoo.tools.misc import format_date


class SaasUsageSimulation(models.Model):
    _inherit = "saas.usage.simulation"

    @api.constrains("date_from")
    def _check_events_kept(self):
        """Refuse months whose single events are not there to be rated otherwise."""
        # sudo: whoever simulates may not look at what is stored
        partitions = self.env["saas.usage.partition"].sudo()
        until = partitions._get_detached_until()
        for simulation in self:
            if until and datetime.combine(simulation.date_from, time.min) < until:
                raise ValidationError(
                    self.env._(
                        "“%(name)s”: events before %(day)s are no longer kept and"
                        " cannot be rated by other prices. Begin on that day or later.",
                        name=simulation.name,
                        day=format_date(self.env, until.date()),
                    )
                )
