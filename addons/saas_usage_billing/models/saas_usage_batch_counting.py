# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from .usage_fields import BigInteger


class SaasUsageBatch(models.Model):
    """Requests whose events are in the live figures, and where these lie."""

    _inherit = "saas.usage.batch"

    # Empty is not counted: a request writes nothing for it.
    is_counted = fields.Boolean(
        string="In Live Figures",
        readonly=True,
        help="Current usage on screen and in the API has the events of the request.",
    )
    row_min = BigInteger(
        string="First Event Number",
        readonly=True,
        help="No event of the request has a lower one.",
    )
    row_max = BigInteger(
        string="Last Event Number",
        readonly=True,
        help="No event of the request has a higher one.",
    )

    _uncounted_idx = models.Index("(id) WHERE is_counted IS NOT TRUE")
