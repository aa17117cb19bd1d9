# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

METRICS = [
    ("first_response", "First response"),
    ("next_reply", "Next reply"),
    ("resolution", "Resolution"),
    ("periodic_update", "Periodic update"),
]
PRIORITIES = [
    ("0", "Low"),
    ("1", "Medium"),
    ("2", "High"),
    ("3", "Very High"),
]
UNIT_MINUTES = {"minutes": 1, "hours": 60}


class SaasSlaPolicyTarget(models.Model):
    """How fast: one target of a policy, for a metric and optionally a priority."""

    _name = "saas.sla.policy.target"
    _description = "SLA Target"
    _order = "policy_id, metric, priority desc, id"

    policy_id = fields.Many2one(
        "saas.sla.policy", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="policy_id.company_id", store=True, index="btree_not_null"
    )
    metric = fields.Selection(METRICS, required=True, default="first_response")
    priority = fields.Selection(
        PRIORITIES,
        help="Empty: for every priority that has no target of its own.",
    )
    duration = fields.Integer(required=True, default=1)
    unit = fields.Selection(
        [
            ("minutes", "Minutes"),
            ("hours", "Hours"),
            ("days", "Working days"),
        ],
        required=True,
        default="hours",
        help="Minutes and hours are working time. A working day ends at the same clock"
        " time on the next day with working time.",
    )
    warn_percent = fields.Integer(
        string="Warn At (%)",
        default=80,
        help="Share of the target that may be used before the ticket turns to warning."
        " 0: no warning.",
    )
    is_pausable = fields.Boolean(
        string="Pauses",
        compute="_compute_is_pausable",
        store=True,
        readonly=False,
        precompute=True,
        help="Stop counting while the ticket waits for the customer or a vendor. A"
        " first response is usually not paused.",
    )

    _duration_positive = models.Constraint(
        "CHECK (duration > 0)", "The duration of an SLA target must be above zero."
    )
    _warn_percent_range = models.Constraint(
        "CHECK (warn_percent >= 0 AND warn_percent < 100)",
        "A warning comes before the deadline: enter 0 to 99 percent.",
    )
    _metric_unique = models.UniqueIndex(
        "(policy_id, metric, COALESCE(priority, ''))",
        "The policy has a target for this metric and priority already.",
    )

    @api.depends("metric")
    def _compute_is_pausable(self):
        for target in self:
            target.is_pausable = target.metric == "resolution"

    @api.depends("metric", "priority", "duration", "unit")
    def _compute_display_name(self):
        metrics = dict(self._fields["metric"]._description_selection(self.env))
        units = dict(self._fields["unit"]._description_selection(self.env))
        for target in self:
            target.display_name = self.env._(
                "%(metric)s: %(duration)s %(unit)s",
                metric=metrics.get(target.metric, ""),
                duration=target.duration,
                unit=units.get(target.unit, "").lower(),
            )

    @api.constrains("unit", "metric")
    def _check_days(self):
        for target in self:
            if target.unit == "days" and target.metric == "periodic_update":
                raise ValidationError(
                    self.env._(
                        "A periodic update is counted in minutes or hours. Choose one"
                        " of these units."
                    )
                )
