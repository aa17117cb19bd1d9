# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

from ..engine.bucket import can_add_up
from .usage_bucket import Counted


class SaasMeter(models.Model):
    """Meters whose events are added up by day as they arrive."""

    _inherit = "saas.meter"

    def _get_counted(self):
        """Return how the events of a meter are added up.

        :return: list of one ``Counted``, empty where sums say too little
        """
        self.ensure_one()
        spec = self._get_spec(by_dimension=True)
        return [Counted(self.id, spec)] if can_add_up(spec.terms) else []
