# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From the stored events of a month to the ledger."""

from collections import Counter, defaultdict
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL, groupby

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
    to_stored,
)

from ..engine.money import ZERO
from .usage_store_api import MeterSpec, Window, get_store
from .usage_store_sql import fulfilled

#: Different meters whose events are counted in one statement.
DEFINITIONS = 100
_UNRATED = ("open", "held", "failed", "not_sold")
_COUNTS = (*_UNRATED, "events", "voided", "filtered_out", "rated", "difference")
_FIGURES = ("quantity_rated", "quantity_booked", "quantity_difference")
_FIGURES += ("amount_rated", "amount_booked", "amount_difference")


class Stored(NamedTuple):
    """Events of a subscription: all, those taken back, and of those that count all
    the store measures, and those a meter counts."""

    total: int
    voided: int
    standing: int
    counting: int


class SaasUsageControl(models.Model):
    """Stored = rated + unrated by reason; rated = booked."""

    _inherit = "saas.usage.control"

    @api.model
    def _get_booked_months(self, since):
        """Return the months of usage that was booked lately.

        :param date since: first day
        """
        charges = (
            self.env["saas.charge"]
            .sudo()
            ._read_group(
                [
                    ("base_kind", "=", "usage"),
                    ("ref", "=like", "usage:%"),
                    ("create_date", ">=", since),
                ],
                ["service_start:month"],
            )
        )
        return {month for (month,) in charges}

    @api.model
    def _control_rating(self, month, meters=None):
        """Compare the events of a month with what was rated, and that with the ledger.

        A meter that fails in a company becomes an exception and stops no other.

        :param date month: its first day
        :param meters: ``saas.meter``; None for all
        :return: whether all of them could be controlled
        """
        # sudo: the evidence of all companies, read by the daily job
        control = self.sudo()
        every = self.env["saas.meter"].sudo().with_context(active_test=False)
        meters = every.search([]) if meters is None else every.browse(meters.ids)
        counted = {}
        if control._saas_try(
            lambda one: counted.update(one._count_events(meters, month))
        ):
            # One of them is in the way of the others: each on its own.
            counted.clear()
        results = []
        for meter in meters:
            error = control._saas_try(
                lambda one, meter=meter: results.append(
                    one._control_month(meter, month, counted)
                )
            )
            if error:
                company = meter.company_id or self.env.company
                control._note_month(company, meter, month, error)
                results.append(False)
        return all(results)

    @api.model
    def _control_month(self, meter, month, counted):
        """Write the rows of a meter and month.

        :param dict counted: of ``_count_events``; without the meter it is counted here
        :return: whether all companies could be controlled
        """
        definition = _get_definition(meter)
        if definition not in counted:
            counted.update(self._count_events(meter, month))
        events = counted[definition]
        charges = self._find_charges(meter, month)
        before = self.search(
            [
                ("kind", "=", "rating"),
                ("day", "=", month),
                ("meter_id", "=", meter.id),
            ]
        )
        is_done = True
        companies = self.env["res.company"].browse(events) | charges.company_id
        for company in companies | before.company_id:
            if meter.company_id and company != meter.company_id:
                continue
            error = self._saas_try(
                lambda one, company=company: one._keep(
                    ("company_id", "meter_id", "currency_id"),
                    one._control_meter(
                        *(meter, month, company, events.get(company.id, {})),
                        charges.filtered(lambda own: own.company_id == company),
                        before.filtered(lambda row: row.company_id == company),
                    ),
                )
            )
            self._note_month(company, meter, month, error)
            is_done = is_done and not error
        if is_done:
            self._note_month(meter.company_id or self.env.company, meter, month, None)
        return is_done

    @api.model
    def _note_month(self, company, meter, month, error):
        """Tell of a meter that could not be controlled, or that it could."""
        message = error and self.env._(
            "%(meter)s: the usage of the month from %(month)s could not be"
            " controlled: %(error)s. Mend what is in the way and retry; the control"
            " is repeated every day, too.",
            meter=meter.display_name,
            month=month,
            error=error,
        )
        self._note_outcome(company, str(month), message, meter)

    @api.model
    def _control_meter(self, meter, month, company, events, charges, before):
        """Return the rows of a meter in a company, one per currency.

        :param before: rows of an earlier control; theirs may have nothing left
        """
        counts = self._sort_events(meter, month, events, charges)
        amounts = self._compare_ledger(meter, month, charges)
        for currency in company.currency_id | before.currency_id:
            amounts.setdefault(currency, Counter())
        rows = []
        for currency, figures in amounts.items():
            is_main = currency == company.currency_id
            vals = {
                "kind": "rating",
                "day": month,
                "company_id": company.id,
                "meter_id": meter.id,
                "currency_id": currency.id,
                **{name: float(figures[name]) for name in _FIGURES},
                **(counts if is_main else dict.fromkeys(counts, 0)),
            }
            vals["has_difference"] = bool(
                vals["difference"]
                or vals["quantity_difference"]
                or vals["amount_difference"]
            )
            rows.append(vals)
        return rows

    # ------------------------------------------------------------------
    # Stored = rated + unrated
    # ------------------------------------------------------------------
    @api.model
    def _count_events(self, meters, month):
        """Count the stored events of some meters, straight from the store.

        They are read once, whatever the number of meters.

        :param meters: ``saas.meter``
        :param date month: its first day
        :return: dict of the meters' definition to dict of company id to dict of
            subscription id to ``Stored``
        """
        result = {}
        definitions = list(dict.fromkeys(_get_definition(meter) for meter in meters))
        for begin in range(0, len(definitions), DEFINITIONS):
            some = definitions[begin : begin + DEFINITIONS]
            result.update(self._count_definitions(some, month))
        return result

    @api.model
    def _count_definitions(self, definitions, month):
        """Count the events of some definitions in one statement, and as the store does.

        :param list definitions: of meters
        :return: as ``_count_events``
        """
        start, end = _get_span(month)
        types = sorted({event_type for event_type, _conditions in definitions})
        columns = (
            SQL(
                "count(*) FILTER (WHERE v.row_id IS NULL AND e.event_type = %s AND %s)",
                event_type,
                fulfilled(conditions),
            )
            for event_type, conditions in definitions
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT e.event_type, e.company_id, e.subscription_id, count(*),
                       count(v.row_id), %(columns)s
                  FROM saas_usage_event_store e
                  LEFT JOIN saas_usage_event_void v
                         ON v.source_id = e.source_id
                        AND v.event_id = e.event_id COLLATE "C"
                 WHERE e.event_time >= %(start)s AND e.event_time < %(end)s
                   AND e.event_type = ANY(%(types)s)
                 GROUP BY e.event_type, e.company_id, e.subscription_id
                """,
                columns=SQL(", ").join(columns),
                start=start,
                end=end,
                types=types,
            )
        )
        result = {definition: defaultdict(dict) for definition in definitions}
        for event_type, own in groupby(rows, key=lambda row: row[0]):
            ids = [row[2] for row in own]
            windows = [Window(subscription, start, end) for subscription in ids]
            standing = self._count(MeterSpec(event_type, "count"), windows)
            for row, stands in zip(own, standing, strict=True):
                _type, company, subscription, total, voided, *counts = row
                for definition, counting in zip(definitions, counts, strict=True):
                    if definition[0] == event_type:
                        result[definition][company][subscription] = Stored(
                            total, voided, stands, counting
                        )
        return result

    @api.model
    def _find_charges(self, meter, month):
        """Return the booked charges whose service touches a month of a meter."""
        start, end = _get_span(month)
        charges = (
            self.env["saas.charge"]
            .sudo()
            .search(
                [
                    ("base_kind", "=", "usage"),
                    ("ref", "=like", "usage:%"),
                    ("line_id.product_id.saas_meter_id", "=", meter.id),
                    # A day is never the same everywhere.
                    ("service_start", "<=", end.date() + timedelta(days=1)),
                    ("service_end", ">=", start.date() - timedelta(days=1)),
                ],
                order="subscription_id, ref, revision",
            )
        )
        return charges

    @api.model
    def _sort_events(self, meter, month, events, charges):
        """Return how many events were rated, and why the others were not.

        :param dict events: subscription id to ``Stored``
        :param charges: booked ``saas.charge`` of the company
        :return: dict of field to number
        """
        rated, covered = self._count_rated(meter, month, charges)
        result = Counter(dict.fromkeys(_COUNTS, 0))
        subscriptions = self.env["saas.subscription"].sudo().browse(sorted(events))
        for subscription in subscriptions:
            total, voided, stands, counts = events[subscription.id]
            done = min(rated[subscription.id], covered[subscription.id])
            late = covered[subscription.id] - done
            rest = counts - covered[subscription.id]
            result["events"] += total
            result["voided"] += voided
            result["filtered_out"] += stands - counts
            result["rated"] += done
            result["open"] += late
            result["difference"] += abs(total - voided - stands) + max(0, -rest)
            if rest > 0:
                result[subscription._get_unrated_reason(meter, month)] += rest
        return dict(result)

    @api.model
    def _count_rated(self, meter, month, charges):
        """Count the events of booked charges within a month.

        :return: by subscription id, what the charges have seen, and what there is now
        """
        start, end = _get_span(month)
        groups = defaultdict(list)
        for charge in self._get_last_charges(charges).values():
            if charge.line_id.product_id.product_tmpl_id != self._get_first_product(
                charge.subscription_id, meter
            ):
                # Of several products with the same meter one counts the events.
                continue
            window = charge._get_usage_window()
            first, last = max(window.start, start), min(window.end, end)
            if first < last:
                key = _to_count(charge._get_usage_spec()), charge._get_usage_bounds()
                groups[key].append(Window(charge.subscription_id.id, first, last))
        seen, there, every = Counter(), Counter(), defaultdict(list)
        for (spec, bounds), windows in groups.items():
            every[spec] += windows
            for window, number in zip(
                windows, self._count(spec, windows, bounds), strict=True
            ):
                seen[window.subscription_id] += number
        for spec, windows in every.items():
            for window, number in zip(windows, self._count(spec, windows), strict=True):
                there[window.subscription_id] += number
        return seen, there

    @api.model
    def _get_first_product(self, subscription, meter):
        return min(
            subscription.line_ids.product_id.product_tmpl_id.filtered(
                lambda product: product.saas_meter_id == meter
            ),
            key=lambda product: product.id,
            default=None,
        )

    @api.model
    def _get_last_charges(self, charges):
        """Return the charge each reference stands at; none of those reversed in full.

        :param charges: ``saas.charge`` in the order of their revisions
        :return: dict of (subscription, ref) to the last one
        """
        result = {}
        for key, chain in charges.grouped(
            lambda charge: (charge.subscription_id, charge.ref)
        ).items():
            last = chain.sorted("revision")[-1]
            is_reversed = not any(_sum(chain, name) for name in ("quantity", "amount"))
            if last.has_usage and not is_reversed:
                result[key] = last
        return result

    @api.model
    def _count(self, spec, windows, bounds=None):
        """Return the number of events of each window."""
        if not windows:
            return []
        groups = get_store(self.env).aggregate(spec, windows, bounds)
        return [sum(one.count for one in group.values()) for group in groups]

    # ------------------------------------------------------------------
    # Rated = booked
    # ------------------------------------------------------------------
    @api.model
    def _compare_ledger(self, meter, month, charges):
        """Measure the booked charges that begin in a month again.

        :return: dict of currency to figures
        """
        own = charges.filtered(lambda one: one.service_start.replace(day=1) == month)
        chains = own.grouped(lambda charge: (charge.subscription_id, charge.ref))
        last = self._get_last_charges(own)
        measured = self._measure_charges(last.values())
        result = defaultdict(Counter)
        for key, charge in last.items():
            figures = result[charge.currency_id]
            quantity = to_stored(measured[charge])
            amount = _get_rated_amount(charge)
            booked = to_stored(_sum(chains[key], "quantity"))
            ledger = _sum(chains[key], "amount")
            figures["quantity_rated"] += quantity
            figures["quantity_booked"] += booked
            figures["quantity_difference"] += abs(quantity - booked)
            figures["amount_rated"] += amount
            figures["amount_booked"] += ledger
            figures["amount_difference"] += abs(amount - ledger)
        return result

    @api.model
    def _measure_charges(self, charges):
        """Measure the evidence of charges, one statement for those alike."""
        groups = defaultdict(list)
        for charge in charges:
            key = charge._get_usage_spec(), charge._get_usage_bounds()
            groups[key].append(charge)
        result = {}
        for (spec, bounds), own in groups.items():
            windows = [charge._get_usage_window() for charge in own]
            measured = get_store(self.env).aggregate(spec, windows, bounds)
            for charge, answer in zip(own, measured, strict=True):
                result[charge] = answer[()].quantity
        return result


def _get_span(month):
    """Return the first moments of a month and of the next one, naive UTC."""
    start = datetime.combine(month, time.min)
    return start, (start + timedelta(days=32)).replace(day=1)


def _get_definition(meter):
    """Return what tells the events a meter counts: their type and conditions."""
    spec = meter._get_spec()
    return spec.event_type, spec.conditions


def _to_count(spec):
    """Return the spec that counts the events another one measures."""
    return MeterSpec(spec.event_type, "count", conditions=spec.conditions)


def _sum(charges, name):
    return sum((to_decimal(charge[name]) for charge in charges), ZERO)


def _get_rated_amount(charge):
    """Return the sum of the tiers and steps that a charge was rated by."""
    parts = [*charge.details["tiers"], *charge.details["steps"]]
    return sum((Decimal(part["amount"]) for part in parts), ZERO)
