# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.saas_subscription_ops.engine.period import local_day
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from .saas_usage_price import format_quantity


class SaasUsageGoal(models.AbstractModel):
    """A step of an onboarding that is done when the customer has used something."""

    _name = "saas.usage.goal"
    _description = "Step Done by Usage"

    #: Values of a step that is done.
    _saas_done_vals = {}

    saas_usage_meter_id = fields.Many2one(
        "saas.meter",
        string="Done by Usage Of",
        index="btree_not_null",
        ondelete="set null",
        groups="base.group_user",
        help="In an onboarding the step is done by itself as soon as one of the"
        " customer's subscriptions has used so much, for example the first event, or"
        " ten active users.",
    )
    saas_usage_quantity = fields.Float(
        string="At Least",
        digits="Usage Quantity",
        default=1,
        groups="base.group_user",
    )
    saas_usage_span = fields.Selection(
        [("ever", "Since the Subscription Began"), ("period", "In the Running Period")],
        string="Counted",
        default="ever",
        groups="base.group_user",
    )

    @api.constrains("saas_usage_meter_id", "saas_usage_quantity")
    def _check_saas_usage_quantity(self):
        for goal in self:
            if goal.saas_usage_meter_id and goal.saas_usage_quantity <= 0:
                raise ValidationError(
                    self.env._(
                        "%(name)s: enter how much has to be used, above 0. 1 of a meter"
                        " that counts events is the first event.",
                        name=goal.display_name,
                    )
                )

    def _saas_complete_if_used(self, subscriptions, now):
        """Do the step if enough was used.

        :param subscriptions: ``saas.subscription`` of the customer
        :param now: aware UTC datetime
        :raise UserError: something else is to be done before
        """
        reached = self._saas_find_usage(subscriptions, now)
        if reached:
            self._saas_complete(*reached)

    def _saas_find_usage(self, subscriptions, now):
        """Return the subscription that has used enough, and how much it is.

        :param subscriptions: ``saas.subscription`` of the customer
        :param now: aware UTC datetime
        :return: (subscription, Decimal), None when none has
        """
        self.ensure_one()
        for subscription in subscriptions:
            days = self._saas_get_usage_days(subscription, now)
            if not days:
                continue
            meter = self.saas_usage_meter_id
            [groups] = subscription._measure_live(meter, meter._get_spec(), [days])
            quantity = groups[()].quantity
            if quantity >= to_decimal(self.saas_usage_quantity):
                return subscription, quantity
        return None

    def _saas_get_usage_days(self, subscription, now):
        """Return the days that count, None before the subscription begins."""
        today = local_day(now, subscription.tz)
        if self.saas_usage_span == "ever":
            first = subscription.date_start
            if first > today:
                return None
            return subscription._make_days(first, today + timedelta(days=1))
        period = subscription._get_current_period(now)
        if not period:
            return None
        return subscription._make_days(
            *(
                local_day(moment.replace(tzinfo=timezone.utc), subscription.tz)
                for moment in period
            )
        )

    def _saas_complete(self, subscription, quantity):
        """Do the step and say why in its chatter.

        :param subscription: whose usage did it
        :param quantity: Decimal that was used
        :raise UserError: something else is to be done before
        """
        self.ensure_one()
        self.write(self._saas_done_vals)
        meter = self.saas_usage_meter_id
        self.message_post(
            body=self.env._(
                "Done by usage: %(quantity)s %(unit)s of “%(meter)s” by"
                " %(subscription)s.",
                quantity=format_quantity(quantity),
                unit=meter.unit or "",
                meter=meter.name,
                subscription=subscription.name,
            )
        )
