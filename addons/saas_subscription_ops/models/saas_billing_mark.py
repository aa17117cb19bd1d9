# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import api, fields, models
from odoo.tools import SQL

# Columns that change without changing what is due.
IRRELEVANT = {
    "access_token",
    "mrr",
    "mrr_company",
    "next_boundary",
    "saas_correlation_id",
    "terms_date",
    "write_date",
    "write_uid",
}


class SaasBillingMark(models.Model):
    """The proof that a subscription has nothing due, so that runs need not repeat it.

    A mark says: with exactly these inputs, and exactly this ledger, nothing is due for
    any cut-off from ``date_from`` to ``date_until``, both inclusive. Inputs and ledger
    are compared by value for every run, in one statement for all subscriptions; what
    differs in anything is computed. A mark can be deleted at any time: it costs the
    next run time, never an amount.
    """

    _name = "saas.billing.mark"
    _description = "Settled Subscription"
    _inherit = ["saas.default.guard"]
    _rec_name = "subscription_id"
    _check_company_auto = True

    subscription_id = fields.Many2one(
        "saas.subscription", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    inputs = fields.Char(required=True, readonly=True)
    ledger = fields.Char(required=True, readonly=True)
    date_from = fields.Date(required=True, readonly=True)
    date_until = fields.Date(required=True, readonly=True)

    _subscription_uniq = models.Constraint(
        "UNIQUE (subscription_id)", "A subscription has one mark."
    )

    # ------------------------------------------------------------------
    # Read
    # ------------------------------------------------------------------
    @api.model
    def _find_settled(self, subscription_ids: list, cutoff: date) -> set:
        """Return which subscriptions are proved to have nothing due.

        :param list subscription_ids: ids of ``saas.subscription``
        :param date cutoff: exclusive, see ``_get_proposed_charges``
        :return: ids that need not be computed
        """
        if not subscription_ids:
            return set()
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT mark.subscription_id, mark.inputs, mark.ledger
                  FROM saas_billing_mark mark
                 WHERE mark.subscription_id = ANY(%(ids)s)
                   AND %(cutoff)s BETWEEN mark.date_from AND mark.date_until
                """,
                ids=list(subscription_ids),
                cutoff=cutoff,
            )
        )
        marked = {row[0]: row[1:] for row in rows}
        now = self._get_fingerprints(list(marked))
        return self._filter_settled(
            {record_id for record_id, mark in marked.items() if now[record_id] == mark}
        )

    @api.model
    def _filter_settled(self, subscription_ids: set) -> set:
        """Hook: leave out subscriptions that got input which is no row of theirs.

        :param set subscription_ids: ids of ``saas.subscription`` with a valid mark
        :return: those that need not be computed; all of them by default
        """
        return subscription_ids

    @api.model
    def _get_fingerprints(self, subscription_ids: list, planned=()) -> dict:
        """Return the inputs and the ledger of subscriptions, as short texts.

        :param list subscription_ids: ids of ``saas.subscription``
        :param planned: rows (id, ref, revision, amount as text) that are not booked
            yet, counted as if they were
        :return: dict of id to (inputs, ledger)
        """
        if not subscription_ids:
            return {}
        inputs = self._get_inputs(subscription_ids)
        ledger = self._get_ledger(subscription_ids, planned)
        empty = "0:0:0"
        return {
            record_id: (inputs[record_id], ledger.get(record_id, empty))
            for record_id in inputs
        }

    @api.model
    def _get_input_models(self) -> dict:
        """Hook: return the models whose rows a proposal is computed from.

        :return: dict of model name to its field that points to the subscription
        """
        found = {"saas.subscription.line": "subscription_id"}
        for name in ("saas.amendment", "saas.subscription.coupon"):
            if name in self.env:
                found[name] = "subscription_id"
        return found

    def _get_inputs(self, subscription_ids: list) -> dict:
        """Return a digest of all that a proposal is computed from, by value."""
        ids = list(subscription_ids)
        parts, joins = [], []
        for number, (name, field) in enumerate(self._get_input_models().items()):
            alias = SQL.identifier(f"part_{number}")
            parts.append(SQL("%s.rows", alias))
            joins.append(
                SQL(
                    """
                    LEFT JOIN (SELECT %(field)s AS owner,
                                      string_agg(%(row)s, ',' ORDER BY id) AS rows
                                 FROM %(table)s AS source
                                WHERE %(field)s = ANY(%(ids)s)
                                GROUP BY %(field)s) %(alias)s
                           ON %(alias)s.owner = sub.id
                    """,
                    field=SQL.identifier(field),
                    row=self._get_row_text(name, "source"),
                    table=SQL.identifier(self.env[name]._table),
                    ids=ids,
                    alias=alias,
                )
            )
        rows = self.env.execute_query(
            SQL(
                """
                WITH terms AS MATERIALIZED (
                    SELECT plan.id, md5(%(plan)s) AS rows FROM saas_plan plan)
                SELECT sub.id, md5(concat_ws('|', %(sub)s, terms.rows,
                                             currency.rounding::text, %(parts)s))
                  FROM saas_subscription sub
                  JOIN terms ON terms.id = sub.plan_id
                  JOIN res_currency currency ON currency.id = sub.currency_id
                  %(joins)s
                 WHERE sub.id = ANY(%(ids)s)
                """,
                plan=self._get_row_text("saas.plan", "plan"),
                sub=self._get_row_text("saas.subscription", "sub"),
                parts=SQL(", ").join(parts),
                joins=SQL(" ").join(joins),
                ids=ids,
            )
        )
        return dict(rows)

    def _get_row_text(self, model: str, alias: str) -> SQL:
        """Return an expression with all that counts of a row, as text.

        :param str model: model whose columns it takes
        :param str alias: name of its table in the query
        """
        names = sorted(
            name
            for name, field in self.env[model]._fields.items()
            if field.store and field.column_type and name not in IRRELEVANT
        )
        columns = [SQL.identifier(alias, name) for name in names]
        return SQL("ROW(%s)::text", SQL(", ").join(columns))

    def _get_ledger(self, subscription_ids: list, planned) -> dict:
        """Return count, sum of hashed references and total of each ledger."""
        columns = list(zip(*planned, strict=True)) or [(), (), (), ()]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, count(*)
                           || ':' || sum(hashtextextended(ref || '#' || revision, 0))
                           || ':' || trim_scale(sum(amount))
                  FROM (SELECT subscription_id AS id, ref, revision, amount
                          FROM saas_charge WHERE subscription_id = ANY(%(ids)s)
                        UNION ALL
                        SELECT * FROM unnest(%(owners)s::int[], %(refs)s::text[],
                                             %(revisions)s::int[],
                                             %(amounts)s::numeric[])) AS row
                 GROUP BY id
                """,
                ids=list(subscription_ids),
                owners=list(columns[0]),
                refs=list(columns[1]),
                revisions=list(columns[2]),
                amounts=list(columns[3]),
            )
        )
        return dict(rows)

    # ------------------------------------------------------------------
    # Write
    # ------------------------------------------------------------------
    @api.model
    def _mark(self, cutoff: date, charges: dict):
        """Remember what was just computed: settled once its charges are booked.

        :param date cutoff: cut-off of the computation
        :param dict charges: ``saas.subscription`` to its engine rows still to book,
            an empty list when nothing is due
        """
        subscriptions = self.env["saas.subscription"].union(*charges)
        subscriptions = subscriptions._filter_billing_provable()
        if not subscriptions:
            return
        self.env.flush_all()
        planned = [
            (record.id, charge.ref, charge.revision, str(charge.amount))
            for record in subscriptions
            for charge in charges[record]
        ]
        prints = self._get_fingerprints(subscriptions.ids, planned)
        rows = [
            (
                record.id,
                record.company_id.id,
                *prints[record.id],
                cutoff,
                record._get_settled_until(cutoff),
            )
            for record in subscriptions
        ]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO saas_billing_mark
                    (subscription_id, company_id, inputs, ledger, date_from, date_until)
                VALUES %s
                ON CONFLICT (subscription_id) DO UPDATE
                   SET inputs = excluded.inputs, ledger = excluded.ledger,
                       date_from = excluded.date_from, date_until = excluded.date_until
                """,
                SQL(", ").join(rows),
            )
        )
        self.invalidate_model()
