# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL

from ..exceptions import LedgerError

KINDS = [
    ("recurring", "Recurring"),
    ("one_time", "One-time"),
    ("usage", "Usage"),
    ("adjustment", "Adjustment"),
    ("credit", "Credit"),
]
TRIGGER_NAME = "saas_charge_append_only"


class SaasCharge(models.Model):
    """The charge ledger: every amount ever booked, never changed.

    Rows are written by a billing run, together with the invoice line that shows them.
    A correction is another row of the same ``ref`` with the next ``revision``.
    ``service_end`` is the first day *not* served.
    """

    _name = "saas.charge"
    _description = "Charge"
    _inherit = ["saas.default.guard"]
    _order = "service_start desc, id desc"
    _check_company_auto = True

    name = fields.Char(string="Description", required=True, readonly=True)
    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    line_id = fields.Many2one(
        "saas.subscription.line",
        string="Subscription Line",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    product_id = fields.Many2one(
        "product.product", readonly=True, index=True, ondelete="restrict"
    )
    plan_id = fields.Many2one(
        "saas.plan", readonly=True, index=True, ondelete="restrict"
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Account",
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, readonly=True, ondelete="restrict"
    )
    kind = fields.Selection(
        KINDS,
        required=True,
        readonly=True,
        index=True,
    )
    base_kind = fields.Selection(
        [("recurring", "Recurring"), ("one_time", "One-time"), ("usage", "Usage")],
        readonly=True,
        help="What an adjustment or credit corrects; the kind itself otherwise.",
    )
    timing = fields.Selection(
        [("advance", "In advance"), ("arrears", "In arrears")], readonly=True
    )
    ref = fields.Char(
        string="Reference",
        required=True,
        readonly=True,
        help="Deterministic key: the same charge always has the same reference.",
    )
    revision = fields.Integer(required=True, readonly=True, default=0)
    service_start = fields.Date(required=True, readonly=True)
    service_end = fields.Date(
        required=True, readonly=True, help="First day not served."
    )
    quantity = fields.Float(digits=(20, 6), readonly=True)
    price_unit = fields.Float(digits=(20, 6), readonly=True, aggregator=None)
    amount = fields.Monetary(
        readonly=True, help="As priced: before or including tax, like the product."
    )
    details = fields.Json(readonly=True)
    run_id = fields.Many2one(
        "saas.billing.run",
        string="Billing Run",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    move_line_id = fields.Many2one(
        "account.move.line",
        string="Invoice Line",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    move_id = fields.Many2one(
        "account.move",
        string="Invoice",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    account_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )

    _ref_uniq = models.Constraint(
        "UNIQUE (subscription_id, ref, revision)",
        "This charge is booked already.",
    )
    _service_valid = models.Constraint(
        "CHECK (service_end > service_start)", "A charge serves at least one day."
    )

    def init(self):
        """Let the database refuse every change, also by SQL and by superusers."""
        result = super().init()
        self.env.cr.execute(
            SQL(
                """
                CREATE OR REPLACE FUNCTION saas_charge_refuse_change()
                RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'saas_charge is append-only: book an adjustment'
                        USING ERRCODE = 'restrict_violation';
                END $$;
                DROP TRIGGER IF EXISTS %(trigger)s ON saas_charge;
                CREATE TRIGGER %(trigger)s BEFORE UPDATE OR DELETE ON saas_charge
                    FOR EACH ROW EXECUTE FUNCTION saas_charge_refuse_change();
                """,
                trigger=SQL.identifier(TRIGGER_NAME),
            )
        )
        return result

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise LedgerError(
                self.env._(
                    "Charges are booked by billing runs only. Create a run and let "
                    "somebody else approve it."
                )
            )
        return super().create(vals_list)

    def write(self, vals):  # pylint: disable=method-required-super
        raise LedgerError(
            self.env._(
                "A booked charge can't be changed. Correct the subscription: the next "
                "billing run books the difference."
            )
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise LedgerError(
            self.env._(
                "A booked charge can't be deleted. Correct the subscription: the next "
                "billing run books the difference."
            )
        )

    @api.depends("ref", "name")
    def _compute_display_name(self):
        for charge in self:
            charge.display_name = charge.name

    def action_view_invoice(self) -> dict:
        """Open the invoice that shows the charge.

        :return: window action
        """
        self.ensure_one()
        return self.move_id._get_records_action(context={})
