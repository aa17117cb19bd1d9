# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL

from ..exceptions import LedgerError
from .saas_renewal import CATEGORIES, DECIDED

TRIGGER_NAME = "saas_renewal_snapshot_append_only"


class SaasRenewalSnapshot(models.Model):
    """What was forecast for a renewal on a day, never changed afterwards.

    Taken by the daily job when the window opens and at the beginning of each month,
    so that later the forecast can be compared with what came.
    """

    _name = "saas.renewal.snapshot"
    _description = "Renewal Forecast Snapshot"
    _inherit = ["saas.default.guard"]
    _order = "date desc, id desc"
    _rec_name = "renewal_id"

    renewal_id = fields.Many2one(
        "saas.renewal", required=True, readonly=True, index=True, ondelete="restrict"
    )
    kind = fields.Selection(
        [("window", "Window Opened"), ("month", "Monthly")],
        required=True,
        readonly=True,
        index=True,
    )
    date = fields.Date(required=True, readonly=True, index=True)
    category = fields.Selection(CATEGORIES, required=True, readonly=True)
    is_manual_category = fields.Boolean(
        string="Category by Hand",
        readonly=True,
        help="A person had chosen the category.",
    )
    likelihood = fields.Integer(
        string="Likelihood (%)", readonly=True, aggregator="avg"
    )
    likelihood_reasons = fields.Text(string="Reasons", readonly=True)
    amount_available = fields.Monetary(string="Available", readonly=True)
    amount_forecast = fields.Monetary(string="Forecast", readonly=True)
    amount_target = fields.Monetary(string="Target", readonly=True)
    user_id = fields.Many2one(
        "res.users",
        string="Owner",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Owner of the renewal on that day.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, readonly=True, ondelete="restrict"
    )
    # What came: read from the renewal, so a snapshot need not be touched for it.
    subscription_id = fields.Many2one(related="renewal_id.subscription_id")
    partner_id = fields.Many2one(related="renewal_id.partner_id", string="Account")
    plan_id = fields.Many2one(related="renewal_id.plan_id")
    term_end = fields.Date(related="renewal_id.term_end")
    outcome = fields.Selection(related="renewal_id.outcome")
    lost_reason_id = fields.Many2one(related="renewal_id.lost_reason_id")
    amount_pure = fields.Monetary(
        related="renewal_id.amount_pure", string="Pure Renewal"
    )
    amount_expansion = fields.Monetary(
        related="renewal_id.amount_expansion", string="Expansion"
    )
    amount_contraction = fields.Monetary(
        related="renewal_id.amount_contraction", string="Contraction"
    )
    amount_lost = fields.Monetary(related="renewal_id.amount_lost", string="Lost")
    amount_deviation = fields.Monetary(
        string="Deviation",
        compute="_compute_amount_deviation",
        help="How far this forecast was from the pure renewal, either way. Known once "
        "it is decided.",
    )

    _once = models.Constraint(
        "UNIQUE (renewal_id, kind, date)",
        "This forecast was kept already.",
    )
    _window_once = models.UniqueIndex(
        "(renewal_id) WHERE kind = 'window'",
        "The forecast of the window's opening was kept already.",
    )

    def init(self):
        """Let the database refuse every change, also by SQL and by superusers."""
        result = super().init()
        self.env.cr.execute(
            SQL(
                """
                CREATE OR REPLACE FUNCTION saas_renewal_snapshot_refuse_change()
                RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'saas_renewal_snapshot is append-only'
                        USING ERRCODE = 'restrict_violation';
                END $$;
                DROP TRIGGER IF EXISTS %(trigger)s ON saas_renewal_snapshot;
                CREATE TRIGGER %(trigger)s
                    BEFORE UPDATE OR DELETE ON saas_renewal_snapshot
                    FOR EACH ROW
                    EXECUTE FUNCTION saas_renewal_snapshot_refuse_change();
                """,
                trigger=SQL.identifier(TRIGGER_NAME),
            )
        )
        return result

    @api.depends("renewal_id", "date")
    def _compute_display_name(self):
        for snapshot in self:
            name = snapshot.renewal_id.display_name or ""
            snapshot.display_name = f"{name} ({snapshot.date})"

    @api.depends("amount_forecast", "amount_pure", "outcome")
    def _compute_amount_deviation(self):
        for snapshot in self:
            deviation = abs(snapshot.amount_forecast - snapshot.amount_pure)
            is_known = snapshot.outcome in DECIDED
            snapshot.amount_deviation = deviation if is_known else 0.0

    def _field_to_sql(self, alias, field_expr, query=None) -> SQL:
        # What was kept never changes, so the deviation is not stored: groups add it
        # up from what came.
        if field_expr != "amount_deviation":
            return super()._field_to_sql(alias, field_expr, query)
        names = ("outcome", "amount_forecast", "amount_pure")
        outcome, kept, pure = (self._field_to_sql(alias, name, query) for name in names)
        return SQL(
            "CASE WHEN %s IN %s THEN ABS(%s - COALESCE(%s, 0)) ELSE 0 END",
            outcome,
            DECIDED,
            kept,
            pure,
        )

    # ------------------------------------------------------------------
    # Append only
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise LedgerError(
                self.env._(
                    "Snapshots of the forecast are taken by the daily job only. Change "
                    "the forecast of the renewal; the next snapshot keeps it."
                )
            )
        return super().create(vals_list)

    def write(self, vals):  # pylint: disable=method-required-super
        raise LedgerError(
            self.env._(
                "A snapshot keeps what was forecast then and can't be changed. Change "
                "the forecast of the renewal instead."
            )
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise LedgerError(
            self.env._("A snapshot keeps what was forecast then and can't be deleted.")
        )
