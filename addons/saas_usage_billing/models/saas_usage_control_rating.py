# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From the stored events of a month to the ledger."""

from collections import Counter, defaultdict
from datetime import datetime, time, timedelta
from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
    to_stored,
)

from ..engine.money import ZERO
from .usage_store_api import MeterSpec, Window, get_store

FAILED = "usage.control_failed"
_UNRATED = ("open", "held", "failed", "not_sold")


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
    def _control_rating(self, month):
        """Compare the events of a month with what was rated, and that with the ledger.

        A meter that fails becomes an exception of its own and does not stop the others.

        :param date month: its first day
        """
        # sudo: the evidence of all companies, read by the daily job
        control = self.sudo()
        meters = self.env["saas.meter"].sudo().with_context(active_test=False)
        for meter in meters.search([]):
            error = control._saas_try(
                lambda one, meter=meter: one._control_month(meter, month)
            )
            if error:
                self.env["saas.exception"]._saas_raise_for(
                    meter.company_id or self.env.company,
                    FAILED,
                    self.env._(
                        "%(meter)s: the usage of the month from %(month)s could not be"
                        " controlled: %(error)s. Mend what is in the way; the control"
                        " is repeated every day.",
                        meter=meter.display_name,
                        month=month,
                        error=error,
                    ),
                    queue="finance",
                    severity="high",
                    record=meter,
                )

    @api.model
    def _control_month(self, meter, month):
        """Write the rows of a meter and month."""
        events = self._count_events(meter, month)
        charges = self._find_charges(meter, month)
        before = self.search(
            [
                ("kind", "=", "rating"),
                ("day", "=", month),
                ("meter_id", "=", meter.id),
            ]
        )
        rows = []
        for company in (
            charges.company_id
            | self.env["res.company"].browse(events)
            | before.company_id
        ):
            own = charges.filtered(lambda one, of=company: one.company_id == of)
            counts = events.get(company.id, {})
            rows += self._control_meter(meter, month, company, counts, own)
        self._keep(("company_id", "meter_id", "currency_id"), rows)

    @api.model
    def _control_meter(self, meter, month, company, events, charges):
        """Return the rows of a meter in a company, one per currency."""
        counts = self._sort_events(meter, month, events, charges)
        amounts = self._compare_ledger(meter, month, charges)
        amounts.setdefault(company.currency_id, Counter())
        rows = []
        for currency, figures in amounts.items():
            is_main = currency == company.currency_id
            vals = {
                "kind": "rating",
                "day": month,
                "company_id": company.id,
                "meter_id": meter.id,
                "currency_id": currency.id,
                "difference": 0,
                **{name: float(value) for name, value in figures.items()},
                **(counts if is_main else {}),
            }
            vals["has_difference"] = bool(
                vals["difference"]
                or vals.get("quantity_difference")
                or vals.get("amount_difference")
            )
            rows.append(vals)
        return rows

    # ------------------------------------------------------------------
    # Stored = rated + unrated
    # ------------------------------------------------------------------
    @api.model
    def _count_events(self, meter, month):
        """Count the stored events of a meter's type, straight from the store.

        :return: dict of company id to dict of subscription id to (events, voided)
        """
        start, end = _get_span(month)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT e.company_id, e.subscription_id, count(*), count(v.row_id)
                  FROM saas_usage_event_store e
                  LEFT JOIN saas_usage_event_void v
                         ON v.source_id = e.source_id AND v.event_id = e.event_id
                 WHERE e.event_time >= %(start)s AND e.event_time < %(end)s
                   AND e.event_type = %(type)s
                   AND (%(company)s IS NULL OR e.company_id = %(company)s)
                 GROUP BY e.company_id, e.subscription_id
                """,
                start=start,
                end=end,
                type=meter.event_type,
                company=meter.company_id.id or None,
            )
        )
        result = defaultdict(dict)
        for company, subscription, events, voided in rows:
            result[company][subscription] = events, voided
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

        :param dict events: subscription id to (events, voided), as counted
        :param charges: booked ``saas.charge`` of the company
        :return: dict of field to number
        """
        spec = meter._get_spec()
        ids = sorted(events)
        start, end = _get_span(month)
        windows = [Window(subscription, start, end) for subscription in ids]
        standing = self._count(MeterSpec(meter.event_type, "count"), windows)
        counted = self._count(_to_count(spec), windows)
        rated, covered = self._count_rated(meter, month, charges)
        result = Counter(dict.fromkeys(_UNRATED, 0))
        subscriptions = self.env["saas.subscription"].sudo().browse(ids)
        for subscription, stands, counts in zip(
            subscriptions, standing, counted, strict=True
        ):
            total, voided = events[subscription.id]
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
        seen, there = Counter(), Counter()
        for (spec, bounds), windows in groups.items():
            then = self._count(spec, windows, bounds)
            now = self._count(spec, windows)
            for window, old, new in zip(windows, then, now, strict=True):
                seen[window.subscription_id] += old
                there[window.subscription_id] += new
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


def _to_count(spec):
    """Return the spec that counts the events another one measures."""
    return MeterSpec(spec.event_type, "count", conditions=spec.conditions)


def _sum(charges, name):
    return sum((to_decimal(charge[name]) for charge in charges), ZERO)


def _get_rated_amount(charge):
    """Return the sum of the tiers and steps that a charge was rated by."""
    parts = [*charge.details["tiers"], *charge.details["steps"]]
    return sum((Decimal(part["amount"]) for part in parts), ZERO)
