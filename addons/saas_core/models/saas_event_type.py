# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from .saas_event import check_event_name


class SaasEventType(models.Model):
    """A known event name, for filters, help and automation rules."""

    _name = "saas.event.type"
    _description = "Event Type"
    _order = "name"

    name = fields.Char(required=True, help="<noun>.<past participle>")
    noun = fields.Char(compute="_compute_noun", store=True, index=True)
    description = fields.Char(translate=True)
    active = fields.Boolean(default=True)

    _name_unique = models.Constraint(
        "UNIQUE (name)", "An event type with this name exists."
    )

    @api.depends("name")
    def _compute_noun(self):
        for event_type in self:
            event_type.noun = (event_type.name or "").partition(".")[0]

    @api.constrains("name")
    def _check_name(self):
        for event_type in self:
            check_event_name(self.env, event_type.name)
