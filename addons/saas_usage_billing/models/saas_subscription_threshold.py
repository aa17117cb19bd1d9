# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage against its thresholds."""

from datetime import datetime, timezone
from decimal import Decimal

from odoo import fields, models

from odoo.addons.saas_subscription_ops.engine.period import local_day
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.money import add
from ..engine.threshold import Used, crossed
from .usage_bucket_read import Days

THRESHOLD_FAILED = "usage.threshold_failed"


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_alert_count = fields.Integer(
        compute="_compute_usage_alert_count",
        string="Usage Alerts",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_usage_alert_count(self):
        counts = dict(
            self.env["saas.usage.alert"]._read_group(
                [("subscription_id", "in", self.ids)],
                ["subscription_id"],
                ["__count"],
            )
        )
        for subscription in self:
            subscription.usage_alert_count = counts.get(subscription._origin, 0)

    def action_view_usage_alerts(self):
        """Open the alerts of the subscription's usage.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_alert_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["context"] = {}
        return action

    def _try_thresholds(self, thresholds, now, resolves):
        """Look at the thresholds; what fails is told and undoes nothing else.

        :param thresholds: ``saas.usage.threshold``
        :param now: aware UTC datetime
        :param bool resolves: it failed before
        """
        error = self._saas_try(lambda one: one._check_thresholds(thresholds, now))
        if error:
            self._saas_raise(
                THRESHOLD_FAILED,
                self.env._(
                    "The usage could not be compared with its thresholds: %(error)s"
                    " It is tried again with the next events. Mend what is in the way"
                    " and retry.",
                    error=error,
                ),
                queue="customer_success",
                retry_method="saas_retry_thresholds",
            )
        elif resolves:
            self._saas_resolve(
                THRESHOLD_FAILED, self.env._("Compared with the thresholds again.")
            )

    def saas_retry_thresholds(self):
        """Look at the thresholds again, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not open alerts
        subscriptions = self.sudo()
        thresholds = subscriptions.env["saas.usage.threshold"].search([])
        for subscription in subscriptions:
            subscription._check_thresholds(thresholds, datetime.now(timezone.utc))

    def _check_thresholds(self, thresholds, now):
        """Open an alert for every threshold reached, once per period.

        :param thresholds: ``saas.usage.threshold`` that may be of the subscription
        :param now: aware UTC datetime
        :return: ``saas.usage.alert``
        """
        self.ensure_one()
        own = thresholds._filter_for(self)
        alerts = self.env["saas.usage.alert"]
        if not own:
            return alerts
        rows = self._get_current_usage(now)
        targets = {}
        for row in rows:
            targets.setdefault(row["period"].product_tmpl_id, []).append(row)
        for template_id, used in targets.items():
            meter_id = used[0]["period"].meter_id
            watched = own.filtered(
                lambda one, template_id=template_id, meter_id=meter_id: (
                    one.product_tmpl_id.id == template_id or one.meter_id.id == meter_id
                )
            )
            if watched:
                alerts |= self._check_product(watched, used, now)
        whole = own.filtered(lambda one: not one.product_tmpl_id and not one.meter_id)
        if whole and rows:
            total = self._get_used_amount(rows, now)
            first = min((row["period"] for row in rows), key=lambda one: one.start)
            alerts |= self._open_alerts(whole, Used(amount=total), first, rows)
        return alerts

    def _check_product(self, thresholds, rows, now):
        """Check the usage of one product, whatever prices its parts have."""
        period = rows[0]["period"]
        rated = [row["rated"] for row in rows if row["rated"]]
        included = [one for one in rated if one.included]
        quantity = rows[0]["quantity"]
        if len(rows) > 1:
            # A maximum, say, is not the sum of those of its parts.
            meter = self.env["saas.meter"].browse(period.meter_id)
            days = Days(period.window, period.start, period.end)
            [groups] = self._measure_live(meter, meter._get_spec(), [days])
            quantity = groups[()].quantity
        used = Used(
            quantity,
            add(one.converted for one in included),
            add(one.included for one in included),
            self._get_used_amount(rows, now) if rated else None,
        )
        template = self.env["product.template"].browse(period.product_tmpl_id)
        return self._open_alerts(thresholds, used, period, rows, template)

    def _get_used_amount(self, rows, now):
        """Return the amount of rows in the currency of the company."""
        amount = add(row["rated"].amount for row in rows if row["rated"])
        company = self.company_id
        if self.currency_id == company.currency_id:
            return amount
        converted = self.currency_id._convert(
            float(amount), company.currency_id, company, local_day(now, self.tz)
        )
        return to_decimal(converted)

    def _open_alerts(self, thresholds, used, period, rows, template=None):
        """Open the alerts of what is reached and not told yet."""
        reached = crossed([one._get_level() for one in thresholds], used)
        Alert = self.env["saas.usage.alert"]
        percent = used.percent
        amount = add(row["rated"].amount for row in rows if row["rated"])
        for level in reached:
            Alert |= Alert._open(
                {
                    "kind": "threshold",
                    "threshold_id": level.key,
                    "subscription_id": self.id,
                    "product_tmpl_id": template.id if template else False,
                    "period_start": period.start,
                    "period_end": period.end,
                    "quantity": float(used.quantity),
                    "allowance": float(used.allowance),
                    "percent": float(percent or Decimal(0)),
                    "amount": float(amount),
                }
            )
        return Alert
