# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage unlike that of the periods before holds its line for a person."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from odoo import fields, models
from odoo.tools import SQL
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.exceptions import TransitionError
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.anomaly import DEVIATION, NONE_USED, AnomalyTerms, Reading, check_usage
from ..exceptions import UsageHoldError
from .saas_subscription_usage_periods import UsagePeriod
from .saas_usage_price import format_quantity
from .usage_store_api import Bounds

#: Key of the usage among what a line is compared with.
USAGE = "usage"


@dataclass(slots=True)
class Judged:
    """A period of a product that is about to be charged, and the periods before."""

    period: UsagePeriod
    now: Reading
    history: list[tuple[UsagePeriod, Reading]]

    @property
    def is_judged(self) -> bool:
        """Return whether there is enough to compare with."""
        return len(self.history) >= AnomalyTerms().needed


class SaasBillingRunLine(models.Model):
    _inherit = "saas.billing.run.line"

    usage_findings = fields.Json(
        readonly=True, help="Which usage is unusual, for Hold Usage Only."
    )
    has_usage_findings = fields.Boolean(compute="_compute_has_usage_findings")

    def _compute_has_usage_findings(self):
        for line in self:
            line.has_usage_findings = bool(line.usage_findings)

    # ------------------------------------------------------------------
    # Facts
    # ------------------------------------------------------------------
    def _get_facts(self) -> dict:
        """Add the usage to judge, and what the subscription used before."""
        facts = super()._get_facts()
        checked = self.filtered(lambda line: line.run_id.usage_sigma)
        checked = checked.filtered("usage_bounds")
        if not checked:
            return facts
        booked = checked._get_booked_usage()
        billed = checked._get_billed_until()
        judged = {
            line: list(line._get_judged(booked, billed.get(line.subscription_id.id)))
            for line in checked
        }
        checked._set_groups(judged)
        for line, rows in judged.items():
            extra = {**facts[line].extra, USAGE: rows}
            facts[line] = replace(facts[line], extra=extra)
        return facts

    def _get_booked_usage(self) -> dict:
        """Return what the ledger holds per period.

        :return: dict of (subscription id, product template id, first day) to
            (quantity, amount)
        """
        self.env["saas.charge"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT charge.subscription_id, product.product_tmpl_id,
                       split_part(charge.ref, ':', 3),
                       sum(charge.quantity), sum(charge.amount)
                  FROM saas_charge charge
                  JOIN product_product product ON product.id = charge.product_id
                 WHERE charge.subscription_id = ANY(%s)
                   AND charge.base_kind = 'usage' AND charge.ref LIKE 'usage:%%'
                 GROUP BY 1, 2, 3
                """,
                self.subscription_id.ids,
            )
        )
        return {
            (owner, product, date.fromisoformat(start)): (
                Decimal(str(quantity)),
                Decimal(str(amount)),
            )
            for owner, product, start, quantity, amount in rows
        }

    def _get_billed_until(self) -> dict:
        """Return the last cut-off that was billed, per subscription id."""
        self.env["saas.billing.run"].flush_model()
        self.flush_model()
        return dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT line.subscription_id, max(run.date_cutoff)
                      FROM saas_billing_run_line line
                      JOIN saas_billing_run run ON run.id = line.run_id
                     WHERE line.subscription_id = ANY(%s) AND line.state = 'posted'
                       AND run.usage_scope != 'corrections'
                     GROUP BY line.subscription_id
                    """,
                    self.subscription_id.ids,
                )
            )
        )

    def _get_judged(self, booked: dict, billed_until):
        """Yield the periods the line charges, or finds without any use at last.

        :param dict booked: see ``_get_booked_usage``
        :param date billed_until: last cut-off that was billed; None: there was none
        """
        self.ensure_one()
        subscription = self.subscription_id
        preview = self._get_previewed_usage()
        holds = subscription._get_usage_holds()
        grace = timedelta(days=subscription.plan_id.grace_days)
        by_product = defaultdict(list)
        for period in subscription._get_usage_periods(self.run_id.date_cutoff):
            if not holds._covers(period.meter_id, period.start, period.end):
                by_product[period.product_tmpl_id].append(period)
        for product, periods in by_product.items():
            periods.sort(key=lambda period: period.start)
            known = {}
            for period in periods:
                key = subscription.id, product, period.start
                if key in booked:
                    known[period] = booked[key]
                elif billed_until and period.end + grace <= billed_until:
                    # It was billed, and there was nothing to charge.
                    known[period] = Decimal(0), Decimal(0)
            for period in periods:
                is_charged = period.start in preview.get(product, ())
                if is_charged or self._may_be_zero(period, periods, known):
                    yield from self._judge(period, preview, known)

    def _may_be_zero(self, period, periods, known) -> bool:
        """Return whether the last period was not used, and nobody looked at it yet."""
        if self.run_id.usage_scope == "corrections":
            return False
        return period == periods[-1] and period not in known

    def _judge(self, period, preview, known):
        """Yield a period with its state after this line, when its quantity changes."""
        before = known.get(period, (Decimal(0), Decimal(0)))
        change = preview.get(period.product_tmpl_id, {}).get(period.start, (0, 0))
        if period in known and not change[0]:
            return
        history = [
            (other, Reading(*sums, other.days))
            for other, sums in known.items()
            if other != period
        ]
        quantity, amount = (sum(pair) for pair in zip(before, change, strict=True))
        now = Reading(quantity, amount, period.days)
        yield Judged(period, now, history[-AnomalyTerms().window :])

    def _get_previewed_usage(self) -> dict:
        """Return what the line adds to each period of each product.

        :return: dict of product template id to dict of first day to (quantity, amount)
        """
        result = defaultdict(lambda: defaultdict(lambda: (Decimal(0), Decimal(0))))
        for charge in self.charge_ids:
            if not charge.ref.startswith("usage:"):
                continue
            start = date.fromisoformat(charge.ref.split(":")[2])
            of_product = result[charge.product_id.product_tmpl_id.id]
            quantity, amount = of_product[start]
            of_product[start] = (
                quantity + to_decimal(charge.quantity),
                amount + to_decimal(charge.amount, self.currency_id.decimal_places),
            )
        return result

    def _set_groups(self, judged: dict):
        """Measure the periods that are compared by the dimensions of their meters."""
        wanted = defaultdict(dict)
        for line, rows in judged.items():
            bounds = Bounds.from_dict(line.usage_bounds)
            for row in rows:
                if row.is_judged:
                    periods = [row.period, *(period for period, _past in row.history)]
                    key = row.period.meter_id, bounds
                    wanted[key].update(dict.fromkeys(periods))
        # sudo: whoever computes need not be allowed to see the meter
        meters = self.env["saas.meter"].sudo()
        for (meter_id, bounds), periods in wanted.items():
            meter = meters.browse(meter_id)
            if not meter.dimension_ids:
                continue
            spec = meter._get_spec(by_dimension=True)
            windows = [period.window for period in periods]
            book = self.env["saas.usage.reading"]._open(windows, bounds)
            measured = book.aggregate(meter.id, spec, windows)
            for period, groups in zip(periods, measured, strict=True):
                periods[period] = {texts: one.quantity for texts, one in groups.items()}
            book.close(fields.Datetime.now())
            self._fill_groups(judged, periods)

    def _fill_groups(self, judged: dict, groups: dict):
        for row in (row for rows in judged.values() for row in rows):
            if row.period in groups:
                row.now = replace(row.now, groups=groups[row.period])
                row.history = [
                    (period, replace(past, groups=groups.get(period) or {}))
                    for period, past in row.history
                ]

    # ------------------------------------------------------------------
    # Findings
    # ------------------------------------------------------------------
    def _get_findings(self, facts) -> list[str]:
        """Add what is unusual about the usage."""
        found = self._check_usage(facts.extra.get(USAGE, ()))
        if found or self.usage_findings:
            # sudo: kept for the button, whoever checks
            self.sudo().usage_findings = found or False
        return super()._get_findings(facts) + [row["text"] for row in found]

    def _check_usage(self, judged) -> list[dict]:
        """Return what is unusual: meter, days and words as plain values.

        :param judged: see ``_get_judged``
        """
        self.ensure_one()
        run = self.run_id
        floor = self.company_currency_id._convert(
            run.usage_floor, self.currency_id, self.company_id, run.date_invoice
        )
        terms = AnomalyTerms(to_decimal(run.usage_sigma), to_decimal(floor))
        return [
            {
                "meter_id": row.period.meter_id,
                "date_from": row.period.start.isoformat(),
                "date_to": row.period.end.isoformat(),
                "text": self._describe_finding(row.period, finding),
            }
            for row in judged
            for finding in check_usage(
                row.now, [past for _period, past in row.history], terms
            )
        ]

    def _describe_finding(self, period, finding) -> str:
        """Say what is unusual about the usage of a period."""
        # sudo: the words of the check, not the list of meters
        meter = self.env["saas.meter"].sudo().browse(period.meter_id)
        template = self.env["product.template"].browse(period.product_tmpl_id)
        words = {
            "product": template.name,
            "start": format_date(self.env, period.start),
            "end": format_date(self.env, period.end - timedelta(days=1)),
            "unit": meter.unit,
            "usual": format_quantity(round(finding.reference, 2)),
            "quantity": format_quantity(finding.quantity),
        }
        if finding.code == NONE_USED:
            return self.env._(
                "%(product)s, %(start)s to %(end)s: nothing was used; usual are "
                "%(usual)s %(unit)s.",
                **words,
            )
        if finding.code == DEVIATION:
            return self.env._(
                "%(product)s, %(start)s to %(end)s: %(quantity)s %(unit)s; usual are "
                "%(usual)s.",
                **words,
            )
        return self.env._(
            "%(product)s, %(start)s to %(end)s: %(group)s is new and makes "
            "%(percent)s %% of the quantity.",
            group=meter.dimension_ids[finding.position]._describe([finding.text]),
            percent=format_quantity(round(finding.percent, 1)),
            **words,
        )

    # ------------------------------------------------------------------
    # Decision
    # ------------------------------------------------------------------
    def action_hold_usage(self) -> bool:
        """Hold the unusual usage of lines and compute them again, without it.

        :return: True; lines with nothing else due are gone
        :raise TransitionError: the line is not held, or the run was reviewed already
        :raise UsageHoldError: no unusual usage was found
        """
        self.check_access("write")
        self.run_id._check_role("operator")
        for line in self:
            line.run_id._check_state({"computed"})
            if line.state != "held":
                raise TransitionError(
                    self.env._("%(line)s is not held.", line=line.display_name)
                )
            line._open_usage_holds()
        return self.action_recompute()

    def _open_usage_holds(self):
        """Open the holds for what was found, and say so in the run."""
        self.ensure_one()
        if not self.usage_findings:
            raise UsageHoldError(
                self.env._(
                    "%(line)s: no unusual usage was found. Hold the line, or open a "
                    "usage hold on the subscription.",
                    line=self.display_name,
                )
            )
        holds = self.env["saas.usage.hold"]
        for row in self.usage_findings:
            holds |= holds._open(
                self.subscription_id,
                "anomaly",
                date.fromisoformat(row["date_from"]),
                row["text"],
                meter=self.env["saas.meter"].browse(row["meter_id"]),
                date_to=date.fromisoformat(row["date_to"]),
            )
        self.run_id.message_post(
            body=self.env._(
                "Usage held, the rest is billed: %(holds)s",
                holds=", ".join(holds.mapped("name")),
            )
        )
