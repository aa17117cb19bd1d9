# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Histories of subscriptions that ran in another system, brought in at once."""

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from io import StringIO

from odoo import Command, api, fields, models
from odoo.exceptions import AccessError

from ..exceptions import HistoryError
from .saas_plan import MONTHS_PER_UNIT

ADMINISTRATOR = "saas_core.group_saas_core_administrator"
PERIOD = "subscription_period"
CUSTOMER = "customer"
# How the columns of other systems' exports are usually called.
COLUMNS = {
    "reference": ("reference", "subscription_id", "subscription", "id"),
    "customer": ("customer", "customer_id", "account_id", "account"),
    "product": ("product", "product_id", "product_code"),
    "start": ("start", "start_date", "date_start"),
    "end": ("end", "end_date", "date_end"),
    "monthly_amount": ("monthly_amount", "mrr", "monthly_price"),
}
MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class HistoryPeriod:
    """One imported period ``[start, end)``; ids are those of our records."""

    reference: str
    partner_id: int
    product_id: int
    plan_id: int
    start: date
    end: date | None
    monthly: Decimal


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Calls
    # ------------------------------------------------------------------
    @api.model
    def import_history(self, rows, source="import", billed_until=None) -> dict:
        """Bring in what customers paid in another system, period by period.

        The periods of a customer and plan that touch or overlap become one
        subscription; after a gap another one begins, so a pause in between counts as
        churn and reactivation. Everything due before ``billed_until`` is booked as
        billed elsewhere: no run charges it again, later corrections are measured
        against it. A reference that was imported before is left alone, so the same
        rows can be sent again.

        :param list rows: dicts of ``reference`` (unique in the source), ``customer``
            (external id of kind customer, internal reference or exact name),
            ``product`` (internal reference or exact name), ``start``, ``end`` (first
            day no longer covered, empty: goes on), ``monthly_amount`` (price per
            month in company currency, as the product's prices are)
        :param str source: name of the other system, as in the external ids
        :param billed_until: date or ISO text, exclusive; default today
        :return: dict with ``subscription_ids``, ``created`` and ``known`` rows
        :raise AccessError: the caller is no SaaS administrator
        :raise HistoryError: unusable rows, all named by their number; nothing is
            written then
        """
        self._check_history_access()
        until = self._read_history_date({"until": billed_until}, "until")
        until = until or fields.Date.context_today(self)
        rows = list(rows)
        fresh = self._filter_new_rows(rows, source)
        periods = self._read_history(fresh, source)
        with self.env.cr.savepoint():
            subscriptions = self._create_history(periods, source)
            subscriptions._start_history(source)
            subscriptions._book_history(until, source)
        return {
            "subscription_ids": subscriptions.ids,
            "created": len(fresh),
            "known": len(rows) - len(fresh),
        }

    @api.model
    def import_history_csv(
        self, content, source="import", billed_until=None, product=None
    ) -> dict:
        """Bring in a CSV file, see ``import_history``.

        :param str content: text with a header; columns as :data:`COLUMNS` names them,
            separated by commas, semicolons or tabs
        :param str source: name of the other system
        :param billed_until: see ``import_history``
        :param str product: product of rows without one
        :return: see ``import_history``
        :raise HistoryError: a column is missing, or see ``import_history``
        """
        self._check_history_access()
        head, _newline, _rest = content.lstrip("\ufeff").partition("\n")
        delimiter = max(",;\t", key=head.count)
        reader = csv.DictReader(
            StringIO(content.lstrip("\ufeff")), delimiter=delimiter, strict=True
        )
        names = [(name or "").strip().lower() for name in reader.fieldnames or []]
        columns = self._find_history_columns(names, product)
        reader.fieldnames = names
        try:
            rows = [
                {field: row.get(column) for field, column in columns.items()}
                for row in reader
            ]
        except csv.Error as error:
            raise HistoryError(
                self.env._(
                    "Line %(line)s is no valid CSV: %(reason)s. Save the file again "
                    "and try once more.",
                    line=reader.line_num,
                    reason=error,
                )
            ) from error
        for row in rows:
            row["product"] = row.get("product") or product
        return self.import_history(rows, source, billed_until)

    def _check_history_access(self):
        # The import books what others have billed: a step of a migration, not of
        # anybody's daily work.
        if not self.env.su and not self.env.user.has_group(ADMINISTRATOR):
            raise AccessError(
                self.env._(
                    "Histories are imported by SaaS administrators. Ask one of them "
                    "to do it."
                )
            )

    def _find_history_columns(self, names, product) -> dict:
        """Return the column of each field.

        :raise HistoryError: a column is missing
        """
        found = {
            field: next((alias for alias in aliases if alias in names), None)
            for field, aliases in COLUMNS.items()
        }
        optional = {"end", "product"} if product else {"end"}
        missing = [name for name in found if not found[name] and name not in optional]
        if missing:
            raise HistoryError(
                self.env._(
                    "The file has no column %(columns)s. Name the columns in its first "
                    "line: %(known)s.",
                    columns=", ".join(missing),
                    known=", ".join(COLUMNS),
                )
            )
        return {field: column for field, column in found.items() if column}

    # ------------------------------------------------------------------
    # Read
    # ------------------------------------------------------------------
    def _filter_new_rows(self, rows, source) -> list:
        """Return (number, row) of the rows that were not imported before."""
        references = {str(row.get("reference") or "").strip() for row in rows}
        known = self.env["saas.external.id"]._resolve_many(
            source, PERIOD, references - {""}, self.env.company
        )
        return [
            (number, row)
            for number, row in enumerate(rows, 1)
            if str(row.get("reference") or "").strip() not in known
        ]

    def _read_history(self, rows, source) -> list[HistoryPeriod]:
        """Turn rows into periods.

        :param list rows: (number, row)
        :param str source: whose external ids name the customers
        :raise HistoryError: some rows are unusable
        """
        texts = defaultdict(set)
        for _number, row in rows:
            for name in ("customer", "product"):
                texts[name].add(str(row.get(name) or "").strip())
        customers = self._find_history_customers(texts["customer"] - {""}, source)
        products = self._find_history_products(texts["product"] - {""})
        counts = Counter(str(row.get("reference") or "").strip() for _n, row in rows)
        periods, errors = [], []
        for number, row in rows:
            try:
                periods.append(self._read_history_row(row, counts, customers, products))
            except HistoryError as error:
                errors.append(
                    self.env._("Row %(number)s: %(error)s", number=number, error=error)
                )
        if errors:
            more = len(errors) - MAX_ERRORS
            if more > 0:
                errors[MAX_ERRORS:] = [
                    self.env._("... and %(count)s more rows.", count=more)
                ]
            errors.append(self.env._("Nothing was imported."))
            raise HistoryError("\n".join(errors))
        return periods

    def _read_history_row(self, row, counts, customers, products) -> HistoryPeriod:
        reference = str(row.get("reference") or "").strip()
        if not reference:
            raise HistoryError(
                self.env._("it has no reference. Give every row one of its own.")
            )
        if counts[reference] > 1:
            raise HistoryError(
                self.env._(
                    "the reference %(reference)s occurs %(count)s times. Give every "
                    "row one of its own.",
                    reference=reference,
                    count=counts[reference],
                )
            )
        partner = self._get_history_record(row, "customer", customers)
        product = self._get_history_record(row, "product", products)
        start = self._read_history_date(row, "start")
        end = self._read_history_date(row, "end")
        if not start:
            raise HistoryError(self.env._("it has no start. Fill in its first day."))
        if end and end <= start:
            raise HistoryError(
                self.env._(
                    "it ends on %(end)s, not after its start %(start)s. The end is the "
                    "first day no longer covered.",
                    start=start,
                    end=end,
                )
            )
        return HistoryPeriod(
            reference,
            partner.id,
            product.id,
            product.saas_plan_id.id,
            start,
            end,
            self._read_history_amount(row),
        )

    def _get_history_record(self, row, name, found):
        """Return the one record a text stands for.

        :raise HistoryError: none, or several
        """
        text = str(row.get(name) or "").strip()
        records = found.get(text)
        if records and len(records) == 1:
            return records
        if name == "customer":
            hint = self.env._(
                "Create the customer with this internal reference, or give it an "
                "external id of kind customer."
            )
        else:
            hint = self.env._(
                "It must be one recurring product with this internal reference or "
                "name and a subscription plan."
            )
        if records:
            problem = self.env._("%(text)s is the name of several records.", text=text)
        else:
            problem = self.env._(
                "“%(text)s” is no known %(name)s.", text=text, name=name
            )
        raise HistoryError(f"{problem} {hint}")

    def _read_history_date(self, row, name) -> date | None:
        value = row.get(name)
        if isinstance(value, str):
            value = value.strip()
        try:
            if isinstance(value, str) and value:
                return date.fromisoformat(value)
            return fields.Date.to_date(value) or None
        except (TypeError, ValueError) as error:
            raise HistoryError(
                self.env._(
                    "“%(value)s” is no date. Write it as year-month-day, for example "
                    "2026-01-31.",
                    value=value,
                )
            ) from error

    def _read_history_amount(self, row) -> Decimal:
        value = row.get("monthly_amount")
        try:
            amount = Decimal(str(value).strip())
        except InvalidOperation:
            amount = None
        if amount is None or not amount.is_finite() or amount < 0:
            raise HistoryError(
                self.env._(
                    "“%(value)s” is no monthly amount. Write a number of zero or more "
                    "with a decimal point, for example 49.90.",
                    value=value,
                )
            )
        return amount

    # ------------------------------------------------------------------
    # Find
    # ------------------------------------------------------------------
    def _find_history_customers(self, texts, source) -> dict:
        """Return the accounts by external id, else by reference, else by name."""
        company = self.env.company
        externals = self.env["saas.external.id"]._resolve_many(
            source, CUSTOMER, texts, company
        )
        result = {
            text: external.partner_id
            for text, external in externals.items()
            if external.partner_id
        }
        for name in ("ref", "name"):
            partners = self.env["res.partner"].search(
                [
                    (name, "in", list(texts - result.keys())),
                    ("parent_id", "=", False),
                    ("company_id", "in", [False, company.id]),
                ]
            )
            result.update(partners.grouped(name))
        return result

    def _find_history_products(self, texts) -> dict:
        """Return the recurring products with a plan, by reference, else by name."""
        result = {}
        for name in ("default_code", "name"):
            products = self.env["product.product"].search(
                [
                    (name, "in", list(texts - result.keys())),
                    ("saas_charge_kind", "=", "recurring"),
                    ("saas_plan_id", "!=", False),
                    ("company_id", "in", [False, self.env.company.id]),
                ]
            )
            result.update(products.grouped(name))
        return result

    # ------------------------------------------------------------------
    # Write
    # ------------------------------------------------------------------
    def _create_history(self, periods, source):
        """Create draft subscriptions with their lines and external ids.

        :param list periods: engine-free rows, see :class:`HistoryPeriod`
        :param str source: name of the other system
        :return: ``saas.subscription``
        """
        stretches = _group_stretches(periods)
        subscriptions = self.create(
            [self._prepare_history_vals(stretch) for stretch in stretches]
        )
        self.env["saas.external.id"].create(
            [
                {
                    "source": source,
                    "kind": PERIOD,
                    "value": period.reference,
                    "partner_id": period.partner_id,
                    "subscription_id": subscription.id,
                    "company_id": subscription.company_id.id,
                }
                for subscription, stretch in zip(subscriptions, stretches, strict=True)
                for period in stretch
            ]
        )
        return subscriptions

    def _prepare_history_vals(self, stretch) -> dict:
        ends = [period.end for period in stretch]
        return {
            "partner_id": stretch[0].partner_id,
            "plan_id": stretch[0].plan_id,
            "date_start": stretch[0].start,
            "date_end": False if None in ends else max(ends),
            "line_ids": [
                Command.create(
                    {
                        "product_id": period.product_id,
                        "quantity": 1.0,
                        "price_unit": self._get_history_price(period),
                        "date_start": period.start,
                        "date_end": period.end,
                    }
                )
                for period in stretch
            ],
        }

    def _get_history_price(self, period) -> float:
        """Return the price of a whole billing period from the amount per month."""
        product = self.env["product.product"].browse(period.product_id)
        months = product.saas_plan_id._get_months_per_period()
        if product.saas_recurrence_unit:
            unit = MONTHS_PER_UNIT[product.saas_recurrence_unit]
            months = unit * (product.saas_recurrence_count or 1)
        return float(period.monthly * months.numerator / months.denominator)

    def _start_history(self, source):
        """Bring imported drafts to the state they are in today."""
        today = fields.Date.context_today(self)
        reason = self.env._("Imported from %(system)s", system=source)
        for subscription in self:
            subscription._set_state({"draft"}, "active", reason)
            if subscription.date_end and subscription.date_end <= today:
                # No event: whatever reacts to an end is for those that end now.
                subscription._set_state({"active"}, "expired", reason)
                subscription.terms_date = subscription.date_end
            else:
                subscription.terms_date = max(subscription.date_start, today)
                subscription._apply_support_tier()

    def _book_history(self, until: date, source):
        """Book as billed elsewhere what was due before a day.

        :param date until: exclusive cut-off
        :param str source: name of the other system, kept with every charge
        """
        vals_list = []
        for subscription in self:
            for charge in subscription._get_unbooked_charges(until):
                vals = subscription._prepare_charge_vals(charge)
                details = {**(vals["details"] or {}), "billed_in": source}
                vals_list.append({**vals, "details": details})
        # sudo: nobody has the right to write to the ledger; these rows say what the
        # other system has invoiced of the subscriptions created above
        self.env["saas.charge"].sudo().create(vals_list)


def _group_stretches(periods) -> list[list[HistoryPeriod]]:
    """Split periods per customer and plan where nothing ran in between.

    :param list periods: in any order
    :return: periods by start, one list per subscription
    """
    by_owner = defaultdict(list)
    for period in periods:
        by_owner[period.partner_id, period.plan_id].append(period)
    stretches = []
    for own in by_owner.values():
        until = date.min
        for period in sorted(own, key=lambda one: (one.start, one.reference)):
            if until is not None and period.start > until:
                stretches.append([])
            stretches[-1].append(period)
            if until is not None:
                until = None if period.end is None else max(until, period.end)
    return stretches
