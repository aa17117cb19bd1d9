# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is used in the running period, for people and over HTTP."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.engine.period import (
    day_start,
    local_day,
)

from ..exceptions import AmbiguousSubjectError, UsagePriceError
from .saas_subscription_usage_periods import to_naive


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Current usage
    # ------------------------------------------------------------------
    def _get_current_usage(self, now):
        """Return quantity and amount of the running period, per product and price.

        :param now: aware UTC datetime
        :return: list of dict: period, conditions (of the events of the price), price
            (empty where none applies or matches), quantity, rated (None without a
            price, or when the price cannot be put on the events)
        """
        self.ensure_one()
        running = self._get_running_periods(now)
        priced = self._get_usage_prices(running)
        return [
            {
                "period": period,
                "conditions": prices._get_part_conditions(price_id),
                "price": price,
                "quantity": one.quantity,
                "rated": self._rate_live(price, period, one) if price else None,
            }
            for period, measured in self._get_live_quantities(priced).items()
            for price_id, one in measured.items()
            for prices in [priced[period]]
            for price in [
                prices.browse(price_id or []).with_prefetch(prices._prefetch_ids)
            ]
        ]

    def _rate_live(self, price, period, measured):
        """Rate a running period; None when the price cannot be put on its events.

        The billing run says what is wrong; nobody is kept from looking at the rest.
        """
        try:
            return self._rate_period(price, period, measured)
        except UsagePriceError:
            return None

    def _get_current_period(self, now):
        """Return naive UTC start and end of the running plan period, or None."""
        self.ensure_one()
        if not self.tz or not self.plan_id or not self.anchor_date:
            return None
        today = local_day(now, self.tz)
        found = None
        tomorrow = today + timedelta(days=1)
        first = min(self.date_start, self.anchor_date)
        for start, end, _days in self._get_grid_periods(first, tomorrow):
            found = start, end or tomorrow
        return found and tuple(to_naive(day_start(day, self.tz)) for day in found)

    def _get_usage_domain(self, start, end):
        """Return the domain of the subscription's events between two instants."""
        return [
            ("subscription_id", "=", self.id),
            ("event_time", ">=", fields.Datetime.to_string(start)),
            ("event_time", "<", fields.Datetime.to_string(end)),
        ]

    def _prepare_usage_row(self, row, now):
        """Return what the usage tab shows of one product: words, and bars per day."""
        period, price = row["period"], row["price"]
        # sudo: the meter's name and unit, for whoever sees the subscription
        meter = self.env["saas.meter"].sudo().browse(period.meter_id)
        spec = meter._get_spec(conditions=row["conditions"])
        days = [period.start + timedelta(days=n) for n in range(period.days)][-92:]
        last = period.end
        if spec.is_level:
            # It would go on into the days to come.
            last = min(local_day(now, self.tz) + timedelta(days=1), last)
        by_day = dict.fromkeys(days, Decimal(0)) | {
            day: one.quantity
            for day, one in self._get_live_days(meter, spec, days[0], last).items()
        }
        highest = max(by_day.values(), default=Decimal(0)) or Decimal(1)
        return {
            **self._prepare_live_facts(row, meter, now),
            "name": meter.name,
            "values": price.match_text or "",
            "unit": meter.unit,
            "quantity": row["quantity"],
            "amount": self._format_money(row["rated"].amount) if row["rated"] else None,
            "start": format_date(self.env, period.start),
            "end": format_date(self.env, period.end - timedelta(days=1)),
            "texts": price._describe(price._prepare_details(row["rated"]))[1:]
            if row["rated"]
            else [],
            "bars": [
                {
                    "day": format_date(self.env, day),
                    "quantity": by_day[day],
                    "percent": int(by_day[day] * 100 / highest),
                }
                for day in days
            ],
        }

    def _get_current_usage_answer(self, by_day=False, wallets=True):
        """Return the body of the API's answer about current usage.

        Quantities and amounts are text, so that no digit is lost.

        :param bool by_day: also tell the quantity of each day so far
        :param bool wallets: also tell the prepaid credit that pays for it
        :return: dict of plain values
        """
        self.ensure_one()
        # sudo: the integration role may ask for figures, not read subscriptions
        subscription = self.sudo()
        now = datetime.now(timezone.utc)
        rows = subscription._get_current_usage(now)
        total = sum((row["rated"].amount for row in rows if row["rated"]), Decimal(0))
        meters = subscription.env["saas.meter"].browse(
            row["period"].meter_id for row in rows
        )
        return {
            "subscription": subscription.name,
            "state": subscription.state,
            "currency": subscription.currency_id.name,
            "amount": subscription._to_amount_text(total),
            "usage": [
                subscription._prepare_usage_answer(row, meter, now, by_day)
                for row, meter in zip(rows, meters, strict=True)
            ],
            "wallets": subscription._get_paying_wallets()._prepare_answer(now)
            if wallets
            else [],
        }

    def _to_amount_text(self, amount):
        """Return an amount for machines: plain, with all places of the currency."""
        return format(amount, f".{self.currency_id.decimal_places}f")

    def _prepare_usage_answer(self, row, meter, now, by_day):
        """Return the API's answer about one product and price."""
        period, price, rated = row["period"], row["price"], row["rated"]
        answer = {
            "meter": meter.code,
            "name": meter.name,
            "unit": meter.unit,
            "values": price._get_values() if price else {},
            "period_start": period.start.isoformat(),
            "period_end": period.end.isoformat(),
            "quantity": format(row["quantity"], "f"),
            "amount": self._to_amount_text(rated.amount) if rated else None,
        }
        if by_day:
            spec = meter._get_spec(conditions=row["conditions"])
            last = min(local_day(now, self.tz) + timedelta(days=1), period.end)
            days = self._get_live_days(meter, spec, period.start, last)
            answer["days"] = [
                {"day": day.isoformat(), "quantity": format(one.quantity, "f")}
                for day, one in days.items()
            ]
        return answer

    @api.model
    def _find_for_usage(self, subject="", source="", subscription=""):
        """Find the subscription an API client asks for, in its company.

        :param str subject: subject as in events
        :param str source: code of the source that knows it so; empty: any the user may
            ask by
        :param str subscription: number of the subscription
        :return: subscription, empty when there is none the user may ask for
        :raise AmbiguousSubjectError: there are several
        """
        company = self.env.company
        foreign = self.env["saas.usage.event"]._get_sources_not_asked_by()
        # sudo: the integration role may ask by name, not search
        Subscription = self.sudo()
        if subscription:
            found = Subscription.search(
                [("name", "=", subscription), ("company_id", "=", company.id)]
            )
            if foreign:
                found = found.filtered(lambda one: one._is_named_by_others(foreign))
        elif subject:
            found = Subscription._find_by_subject(subject, source, company, foreign)
        else:
            found = Subscription.browse()
        if len(found) > 1:
            raise AmbiguousSubjectError(self._get_ambiguous_message())
        return found.sudo(False)

    @api.model
    def _find_by_subject(self, subject, source, company, foreign):
        """Find the subscriptions whose usage external ids name.

        :param str source: code of the only source asked for; empty: any
        :param list foreign: sources that are not asked, as external ids have them
        :raise AmbiguousSubjectError: several accounts are known by the subject
        """
        External = self.env["saas.external.id"]
        domain = [
            ("company_id", "=", company.id),
            ("kind", "=", "subject"),
            ("value", "=", External._normalise_value(subject)),
            ("source", "not in", foreign),
        ]
        if source:
            domain.append(("source", "=", External._normalise_key(source)))
        found, accounts = self.browse(), self.env["res.partner"]
        for external in External.search(domain):
            own = external.subscription_id
            account = (own or external.partner_id).commercial_partner_id
            found |= own or self._find_of_account(account, company)
            accounts |= account
        if len(accounts) > 1:
            raise AmbiguousSubjectError(self._get_ambiguous_message())
        return found

    @api.model
    def _find_of_account(self, account, company):
        """Return the running subscriptions of an account that are charged by usage."""
        return self.search(
            [
                ("state", "in", ("trial", "active", "paused")),
                ("company_id", "=", company.id),
                ("commercial_partner_id", "=", account.id),
                ("line_ids.kind", "=", "usage"),
            ]
        )

    @api.model
    def _get_ambiguous_message(self):
        return self.env._(
            "Several customers or subscriptions are known by that name. Give the source"
            " that means one of them or, for current usage, subscription=<number>."
        )

    def _is_named_by_others(self, sources):
        """Return whether an external id of another source than these names it.

        :param list sources: as external ids have them
        """
        self.ensure_one()
        account = self.commercial_partner_id
        return bool(
            self.env["saas.external.id"].search_count(
                Domain("company_id", "=", self.company_id.id)
                & Domain("kind", "=", "subject")
                & Domain("source", "not in", sources)
                & (
                    Domain("subscription_id", "=", self.id)
                    | Domain("subscription_id", "=", False)
                    & Domain("partner_id.commercial_partner_id", "=", account.id)
                ),
                limit=1,
            )
        )
