# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exceptions import UsageStoreError

#: What workers remember of sources to screen events.
_RULES = {
    "code",
    "active",
    "company_id",
    "max_age_days",
    "max_future_minutes",
    "user_ids",
}


class SaasUsageSource(models.Model):
    """A product system that sends usage; the ``source`` of its events."""

    _name = "saas.usage.source"
    _description = "Usage Source"
    _inherit = ["mail.thread"]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True,
        tracking=True,
        help="Exactly what the sender writes in the attribute “source” of its events,"
        " and the source of the external ids that name its subjects.",
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )
    max_age_days = fields.Integer(
        string="Accepted Age (Days)",
        required=True,
        default=62,
        tracking=True,
        aggregator=None,
        help="Events older than this are quarantined. Long enough for late feeds, short"
        " enough that a wrong clock cannot reopen last year.",
    )
    max_future_minutes = fields.Integer(
        string="Accepted Lead (Minutes)",
        required=True,
        default=5,
        tracking=True,
        aggregator=None,
        help="Events later than now plus this are quarantined: clocks differ a little.",
    )
    event_count = fields.Integer(compute="_compute_counts", string="Usage Events")
    quarantine_count = fields.Integer(compute="_compute_counts", string="Quarantined")
    last_received_at = fields.Datetime(
        compute="_compute_counts", string="Last Received", help="Last request, UTC."
    )

    _code_unique = models.Constraint(
        "UNIQUE (company_id, code)", "Another source of this company has this code."
    )
    _limits_positive = models.Constraint(
        "CHECK (max_age_days > 0 AND max_age_days <= 36500"
        " AND max_future_minutes >= 0 AND max_future_minutes <= 525600)",
        "Accept an age of at least one day and at most 100 years, and a lead of zero"
        " minutes to a year.",
    )

    def _compute_counts(self):
        batches = {
            source: (stored, last)
            for source, stored, last in self.env["saas.usage.batch"]._read_group(
                [("source_id", "in", self.ids)],
                ["source_id"],
                ["stored:sum", "received_at:max"],
            )
        }
        forgotten = dict(
            # sudo: as many for all who see the source
            self.env["saas.usage.control"]
            .sudo()
            ._read_group(
                [("source_id", "in", self.ids), ("stored_forgotten", ">", 0)],
                ["source_id"],
                ["stored_forgotten:sum"],
            )
        )
        waiting = dict(
            self.env["saas.usage.quarantine"]._read_group(
                [("source_id", "in", self.ids), ("state", "=", "open")],
                ["source_id"],
                ["__count"],
            )
        )
        for source in self:
            stored, last = batches.get(source, (0, False))
            source.event_count = stored + forgotten.get(source, 0)
            source.last_received_at = last
            source.quarantine_count = waiting.get(source, 0)

    @api.constrains("code")
    def _check_code(self):
        for source in self:
            if not source.code.strip() or not source.code.isprintable():
                raise ValidationError(
                    self.env._(
                        "%(name)s: the code is printable text on one line, as the"
                        " sender writes it in the attribute “source”.",
                        name=source.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        if _RULES & vals.keys():
            self.env.registry.clear_cache()
        if "code" in vals or "company_id" in vals:
            self._check_without_events(
                self.filtered(
                    lambda source: (
                        source.code != vals.get("code", source.code)
                        or source.company_id.id
                        != vals.get("company_id", source.company_id.id)
                    )
                )
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        self.env.registry.clear_cache()
        self._check_without_events(self)

    def _check_without_events(self, sources):
        """Refuse to move or delete sources the store knows.

        :raise UsageStoreError: at least one has events
        """
        for source in sources:
            if self.env["saas.usage.event"]._has_events("source_id", source.ids):
                raise UsageStoreError(
                    self.env._(
                        "“%(name)s” has sent events; its code and company are part of"
                        " them. Archive it and create another source.",
                        name=source.name,
                    )
                )

    def action_view_events(self):
        """Open the stored events of the source.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        action["domain"] = [("source_id", "=", self.id)]
        return action

    def action_view_quarantine(self):
        """Open the quarantine of the source.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_quarantine_action"
        )
        action["domain"] = [("source_id", "=", self.id)]
        return action
