# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import api, fields, models, tools
from odoo.exceptions import UserError

from ..exceptions import UsageStoreError

CODE = "usage.control_difference"
#: What the requests of a day say.
_INTAKE = ("requests", "received", "stored", "duplicate", "quarantined", "rejected")


class SaasUsageControl(models.Model):
    """Daily control: nothing that was received, stored or rated is lost on the way.

    Written by ``_cron_control`` and its retries only. A row of *intake* is a day of
    arrival of a source, one of *rating* a month of events of a meter.
    """

    _name = "saas.usage.control"
    _description = "Usage Control Report"
    _inherit = ["saas.mixin"]
    _order = "has_difference desc, day desc, id desc"
    _rec_name = "name"

    name = fields.Char(compute="_compute_name")
    kind = fields.Selection(
        [("intake", "Intake"), ("rating", "Rating")], required=True, readonly=True
    )
    day = fields.Date(
        required=True,
        readonly=True,
        index=True,
        help="Day of arrival, UTC; of a rating the first day of the month.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    source_id = fields.Many2one(
        "saas.usage.source",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
        help="Empty: events of no known source.",
    )
    meter_id = fields.Many2one(
        "saas.meter", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    checked_at = fields.Datetime(required=True, readonly=True)

    requests = fields.Integer(readonly=True)
    received = fields.Integer(
        readonly=True, help="Events, replays of quarantined ones included."
    )
    stored = fields.Integer(readonly=True, help="As the requests say.")
    in_store = fields.Integer(
        readonly=True, help="Counted in the store itself: events and voids."
    )
    duplicate = fields.Integer(readonly=True)
    quarantined = fields.Integer(readonly=True)
    rejected = fields.Integer(readonly=True)

    events = fields.Integer(
        string="Stored Events", readonly=True, help="Of the meter's type and month."
    )
    voided = fields.Integer(readonly=True, help="Taken back.")
    filtered_out = fields.Integer(
        string="Filtered",
        readonly=True,
        help="Do not fulfil the conditions of the meter.",
    )
    rated = fields.Integer(readonly=True, help="In a booked charge.")
    open = fields.Integer(
        readonly=True, help="Of periods that are not invoiced yet, or late."
    )
    held = fields.Integer(readonly=True, help="Kept out of billing by a usage hold.")
    failed = fields.Integer(readonly=True, help="Their line in a billing run failed.")
    not_sold = fields.Integer(
        readonly=True, help="The subscription has no product with this meter."
    )
    quantity_rated = fields.Float(
        digits="Usage Quantity",
        readonly=True,
        aggregator=None,
        help="Measured again by the evidence.",
    )
    quantity_booked = fields.Float(
        digits="Usage Quantity", readonly=True, aggregator=None
    )
    currency_id = fields.Many2one(
        "res.currency", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    amount_rated = fields.Monetary(readonly=True, help="Tiers and steps of the price.")
    amount_booked = fields.Monetary(readonly=True, help="In the ledger of charges.")

    difference = fields.Integer(
        readonly=True,
        help="Events: received less stored, duplicate and quarantined; stored less what"
        " is in the store; or stored less rated and unrated. Must be zero.",
    )
    quantity_difference = fields.Float(
        digits="Usage Quantity", readonly=True, aggregator=None
    )
    amount_difference = fields.Monetary(readonly=True)
    has_difference = fields.Boolean(readonly=True, index=True)

    _row_unique = models.UniqueIndex(
        "(kind, day, company_id, COALESCE(source_id, 0), COALESCE(meter_id, 0),"
        " COALESCE(currency_id, 0))",
        "This control is written already.",
    )

    def _auto_init(self):
        # A view of earlier versions stands where the table belongs.
        tools.drop_view_if_exists(self.env.cr, self._table)
        return super()._auto_init()

    @api.depends("kind", "day", "source_id", "meter_id")
    def _compute_name(self):
        for row in self:
            what = row.source_id or row.meter_id
            row.name = f"{what.display_name or self.env._('No source')}, {row.day}"

    @api.model_create_multi
    def create(self, vals_list):
        self._check_written_by_control()
        return super().create(vals_list)

    def write(self, vals):
        self._check_written_by_control()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        self._check_written_by_control()

    @api.model
    def _check_written_by_control(self):
        if not self.env.su:
            raise UsageStoreError(
                self.env._("The control report is written by its daily job only.")
            )

    # ------------------------------------------------------------------
    # Rows
    # ------------------------------------------------------------------
    @api.model
    def _keep(self, key_fields, rows):
        """Write controlled rows, and tell of the differences.

        :param tuple key_fields: what tells a row from others of its kind and day
        :param list rows: dicts with ``kind, day`` and all figures
        """
        # sudo: written by the control only
        model = self.sudo()
        for vals in rows:
            vals["checked_at"] = fields.Datetime.now()
            key = [(name, "=", vals.get(name)) for name in ("kind", "day", *key_fields)]
            row = model.search(key, limit=1)
            if row:
                row.write(vals)
            else:
                row = model.create([vals])
            row._tell()

    def _tell(self):
        """Raise the exception of a difference, or resolve it."""
        self.ensure_one()
        if not self.has_difference:
            self._saas_resolve(CODE, self.env._("A later control is clean."))
            return
        self._saas_raise(
            CODE,
            self._describe_difference(),
            queue="finance",
            severity="critical",
            retry_method="saas_retry_control",
        )

    def _describe_difference(self):
        if self.kind == "intake":
            return self.env._(
                "%(name)s: %(received)s events received; %(stored)s stored,"
                " %(duplicate)s duplicate and %(quarantined)s quarantined by the"
                " requests, %(in_store)s in the store. Stop billing these days until"
                " it is found out why: look at the requests and events of the day.",
                name=self.name,
                received=self.received,
                stored=self.stored,
                duplicate=self.duplicate,
                quarantined=self.quarantined,
                in_store=self.in_store,
            )
        return self.env._(
            "%(name)s: %(events)s events too many or missing; quantity rated %(rated)s,"
            " booked %(booked)s; amount rated %(amount)s, booked %(ledger)s. Look at"
            " the charges of the month before it is billed on.",
            name=self.name,
            events=self.difference,
            rated=self.quantity_rated,
            booked=self.quantity_booked,
            amount=self.amount_rated,
            ledger=self.amount_booked,
        )

    def saas_retry_control(self):
        """Control the rows again, from the exception queue.

        :raise UserError: there still is a difference
        """
        self.check_access("read")
        for row in self:
            if row.kind == "intake":
                row._control_intake(row.day)
            else:
                row._control_rating(row.day, row.meter_id)
        if any(self.mapped("has_difference")):
            raise UserError(
                self.env._("The figures still differ: look at the records behind them.")
            )

    def _saas_company(self):
        return self.company_id

    # ------------------------------------------------------------------
    # Intake
    # ------------------------------------------------------------------
    @api.model
    def _control_intake(self, day):
        """Compare the requests of a day with the store.

        :param date day: of arrival, UTC
        """
        claimed, counted = self._read_claimed(day), self._read_counted(day)
        before = self.sudo().search([("kind", "=", "intake"), ("day", "=", day)])
        keys = {(row.company_id.id, row.source_id.id or None) for row in before}
        rows = []
        for company, source in sorted(
            keys | claimed.keys() | counted.keys(),
            key=lambda key: (key[0], key[1] or 0),
        ):
            vals = dict(
                zip(
                    _INTAKE,
                    claimed.get((company, source), [0] * len(_INTAKE)),
                    strict=True,
                )
            )
            in_store = counted.get((company, source), 0)
            kept = vals["stored"] + vals["duplicate"] + vals["quarantined"]
            lost = abs(vals["received"] - kept) + abs(vals["stored"] - in_store)
            rows.append(
                {
                    "kind": "intake",
                    "day": day,
                    "company_id": company,
                    "source_id": source,
                    "in_store": in_store,
                    "difference": lost,
                    "has_difference": bool(lost),
                    **vals,
                }
            )
        self._keep(("company_id", "source_id"), rows)

    @api.model
    def _read_claimed(self, day):
        """Return what the requests of a day say, by company and source."""
        groups = (
            self.env["saas.usage.batch"]
            .sudo()
            ._read_group(
                [
                    ("received_at", ">=", day),
                    ("received_at", "<", day + timedelta(days=1)),
                ],
                ["company_id", "source_id"],
                ["__count", *(f"{name}:sum" for name in _INTAKE[1:])],
            )
        )
        return {
            (company.id, source.id or None): figures
            for company, source, *figures in groups
        }

    @api.model
    def _read_counted(self, day):
        """Return what arrived in the store on a day, by company and source."""
        rows = self.env.execute_query(
            tools.SQL(
                """
                SELECT company_id, source_id, sum(number)::bigint
                  FROM (
                       SELECT company_id, source_id, count(*) AS number
                         FROM saas_usage_event_store
                        WHERE stored_at >= %(day)s AND stored_at < %(next)s
                        GROUP BY company_id, source_id
                       UNION ALL
                       -- What is replaced has its replacement among the events.
                       SELECT s.company_id, v.source_id, count(*)
                         FROM saas_usage_event_void v
                         JOIN saas_usage_source s ON s.id = v.source_id
                        WHERE v.stored_at >= %(day)s AND v.stored_at < %(next)s
                          AND v.by_row_id IS NULL
                        GROUP BY s.company_id, v.source_id
                  ) counted
                 GROUP BY company_id, source_id
                """,
                day=day,
                next=day + timedelta(days=1),
            )
        )
        return {(company, source): number for company, source, number in rows}
