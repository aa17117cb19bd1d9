# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, fields, models

from ..exceptions import UsageReplayError


class SaasUsageMapSubject(models.TransientModel):
    """One external id for each subject that quarantined events wait for."""

    _name = "saas.usage.map.subject"
    _description = "Map Subjects of Quarantined Usage"

    partner_id = fields.Many2one(
        "res.partner",
        string="Account of All",
        domain="['|', ('is_company', '=', True), ('parent_id', '=', False)]",
        help="For subjects that have no account or subscription of their own below.",
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        string="Subscription of All",
        help="Needed when the account has several that meter these events.",
    )
    is_replayed = fields.Boolean(
        string="Replay Afterwards",
        default=lambda self: self._can_replay(),
        help="Billing Operators only.",
    )
    can_replay = fields.Boolean(compute="_compute_can_replay")
    line_ids = fields.One2many("saas.usage.map.subject.line", "wizard_id")
    row_ids = fields.Many2many("saas.usage.quarantine")

    def _compute_can_replay(self):
        self.can_replay = self._can_replay()

    @api.model
    def _can_replay(self):
        return self.env["saas.usage.quarantine"].has_access("write")

    @api.model
    def _create_for(self, rows):
        """Return the wizard for some quarantined rows, with what is known by now.

        :param rows: open ``saas.usage.quarantine`` with a subject
        """
        groups = rows.grouped(
            lambda row: (row.company_id, row.source_code, row.subject)
        )
        known = self._find_known(rows)
        lines = [
            Command.create(
                {
                    "company_id": company.id,
                    "source": source,
                    "subject": subject,
                    "row_count": len(group),
                    "partner_id": known.get((company, subject)),
                }
            )
            for (company, source, subject), group in groups.items()
        ]
        return self.create({"row_ids": [Command.set(rows.ids)], "line_ids": lines})

    @api.model
    def _find_known(self, rows):
        """Return accounts that have a subject's name as an id of another system."""
        found = self.env["saas.external.id"].search(
            [
                ("value", "in", list(set(rows.mapped("subject")))),
                ("company_id", "in", rows.company_id.ids),
                ("partner_id", "!=", False),
            ]
        )
        accounts = found.grouped(lambda row: (row.company_id, row.value))
        return {
            key: same.partner_id.id
            for key, same in accounts.items()
            if len(same.partner_id) == 1
        }

    def action_map(self):
        """Write the external ids, and replay the rows.

        :return: action
        :raise UsageReplayError: no subject has an account or subscription
        """
        self.ensure_one()
        lines = self.line_ids.filtered(lambda line: line._get_target())
        if not lines:
            raise UsageReplayError(
                self.env._("Choose the account or subscription the subjects belong to.")
            )
        lines._write_external_ids()
        if not (self.is_replayed and self.can_replay):
            return {"type": "ir.actions.act_window_close"}
        wanted = {(line.company_id, line.source, line.subject) for line in lines}
        return self.row_ids.filtered(
            lambda row: (row.company_id, row.source_code, row.subject) in wanted
        ).action_replay()
