# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import UsageStoreError
from .usage_schema import widen_batch_id


class SaasUsageBatch(models.Model):
    """What one source sent in one request, with what became of its events.

    A request with events of several sources is several rows of one correlation id.
    """

    _name = "saas.usage.batch"
    _description = "Usage Request"
    _order = "id desc"
    _log_access = False
    _rec_name = "correlation_id"

    received_at = fields.Datetime(required=True, readonly=True, index=True, help="UTC.")
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, index=True, ondelete="restrict"
    )
    source_id = fields.Many2one(
        "saas.usage.source",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Empty: events of no known source.",
    )
    correlation_id = fields.Char(required=True, readonly=True, index=True)
    kind = fields.Selection(
        [
            ("api", "API"),
            ("replay", "Replay"),
            ("upload", "File"),
            ("feed", "Feed"),
        ],
        required=True,
        readonly=True,
        default="api",
    )
    received = fields.Integer(readonly=True, default=0)
    stored = fields.Integer(readonly=True, default=0)
    duplicate = fields.Integer(readonly=True, default=0)
    quarantined = fields.Integer(readonly=True, default=0)
    rejected = fields.Integer(
        readonly=True,
        default=0,
        help="Those of the quarantined events that have no source and id, so that the"
        " sender has to correct them.",
    )

    time_min = fields.Datetime(
        string="First Event", readonly=True, help="Of those it stored; UTC."
    )
    time_max = fields.Datetime(
        string="Last Event", readonly=True, help="Of those it stored; UTC."
    )

    _source_idx = models.Index("(source_id, id DESC)")
    _counts_add_up = models.Constraint(
        "CHECK (received = stored + duplicate + quarantined)",
        "The counts of a usage request do not add up.",
    )

    def init(self):
        """Number requests beyond the range of Odoo's own ids."""
        widen_batch_id(self.env.cr)

    def _refuse_change(self):
        raise UsageStoreError(
            self.env._("The log of usage requests is written by the usage API only.")
        )

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        self._refuse_change()

    def write(self, vals):  # pylint: disable=method-required-super
        self._refuse_change()

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        self._refuse_change()

    def action_view_events(self):
        """Open the events the request stored.

        :return: window action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        action["domain"] = [("batch_id", "in", self.ids)]
        return action
