# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which lines of a quotation recur, and how their terms change over the months."""

from datetime import date
from fractions import Fraction
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from odoo import models
from odoo.tools.float_utils import float_round

DAYS_PER_MONTH = Fraction(365, 12)


class LineStep(NamedTuple):
    """Terms of an order line from a month on."""

    from_month: int | Fraction
    quantity: float
    price_unit: float
    discount: float


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def _saas_get_recurring_lines(self):
        """Return the order lines charged again and again at a fixed price."""
        return self._saas_get_subscription_lines().filtered(
            lambda line: line.product_id.saas_charge_kind == "recurring"
        )

    def _saas_get_valued_lines(self):
        return self._saas_get_recurring_lines().filtered("product_id")

    def _saas_get_line_steps(self, line) -> list[LineStep]:
        """Return the terms of a recurring line over time, the first from month 0.

        A step without a line sets the price in percent of the first and keeps
        quantity and discount; one for the line sets all three, and wins.

        :param line: order line
        :return: ascending steps, prices rounded to the digits of product prices
        """
        self.ensure_one()
        first = LineStep(0, line.product_uom_qty, line.price_unit, line.discount)
        steps = {0: first}
        last = first
        changes = self._saas_get_later_changes(line) + self._saas_get_ramp_terms(line)
        for month, terms in sorted(changes, key=lambda change: change[0]):
            last = last._replace(from_month=month, **terms)
            steps[month] = last
        return [steps[month] for month in sorted(steps)]

    def _saas_get_ramp_terms(self, line) -> list[tuple]:
        """Return (month, terms that change) of the ramp steps of a line."""
        if self.saas_order_kind == "amendment":
            return []
        digits = self.env["decimal.precision"].precision_get("Product Price")
        result = []
        for month, ramps in self._saas_get_ramps_by_month():
            own = ramps.filtered(
                lambda r: record_key(r.order_line_id) == record_key(line)
            )[:1]
            everyone = ramps.filtered(lambda ramp: not ramp.order_line_id)[:1]
            if own:
                terms = {name: own[name] for name in LineStep._fields[1:]}
                result.append((month, terms))
            elif everyone:
                price = line.price_unit * everyone.percent / 100
                price = float_round(price, precision_digits=digits)
                result.append((month, {"price_unit": price}))
        return result

    def _saas_get_later_changes(self, line) -> list[tuple]:
        """Return (month, terms that change) of what is scheduled already.

        A quotation changes a running line from its day on; later scheduled changes,
        for example ramp steps, still set what they were made for.
        """
        continued = line.saas_continued_line_id
        if not continued or not line.product_uom_qty:
            return []
        start = self._saas_get_effective_date()
        result, before = [], continued._get_line_on(start) or continued
        for later in continued._get_later_segments(start):
            terms = {
                name: later[name]
                for name in LineStep._fields[1:]
                if later[name] != before[name]
            }
            if terms:
                result.append((months_between(start, later.date_start), terms))
            before = later
        return result

    def _saas_get_ramps_by_month(self) -> list[tuple]:
        """Return the ramp steps of each month, ascending; what is not valid is out."""
        ramps = self.saas_ramp_ids.filtered(lambda ramp: ramp.from_month > 0)
        months = sorted(set(ramps.mapped("from_month")))
        return [
            (month, ramps.filtered(lambda ramp, m=month: ramp.from_month == m))
            for month in months
        ]


def record_key(record):
    """Return what tells a record apart, also before it is saved."""
    return record._origin.id or f"{record.id}"


def months_between(start: date, end: date) -> Fraction:
    """Return whole months plus the days left, 365 days being 12 months."""
    delta = relativedelta(end, start)
    months = delta.years * 12 + delta.months
    return months + Fraction(delta.days) / DAYS_PER_MONTH


def add_months(day: date, months: Fraction) -> date:
    """Return the day so many months later, the rest in days."""
    whole = int(months)
    days = round((months - whole) * DAYS_PER_MONTH)
    return day + relativedelta(months=whole, days=days)
