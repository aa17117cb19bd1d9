# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import dataclass
from decimal import Decimal

from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.exceptions import BillingError

from ..engine.money import add
from ..exceptions import UsagePriceError
from .usage_drafts import DRAFTS, Drafts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a period costs; with a problem it costs nothing yet."""

    quantity: Decimal
    amount: Decimal
    problem: str | bool = False


class SaasUsageSimulationLine(models.Model):
    """A period of a subscription's product, as it is priced and as it would be."""

    _name = "saas.usage.simulation.line"
    _description = "Price Simulation Line"
    _order = "simulation_id, subscription_id, product_tmpl_id, date_start"

    simulation_id = fields.Many2one(
        "saas.usage.simulation", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="simulation_id.company_id", store=True, index=True
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    subscription_id = fields.Many2one(
        "saas.subscription", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id", string="Account", store=True
    )
    plan_id = fields.Many2one(related="subscription_id.plan_id", store=True)
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    product_tmpl_id = fields.Many2one(
        "product.template", string="Product", readonly=True, ondelete="cascade"
    )
    date_start = fields.Date(string="From", readonly=True)
    date_end = fields.Date(string="To", readonly=True, help="First day after it.")
    quantity = fields.Float(
        digits="Usage Quantity",
        readonly=True,
        aggregator=None,
        help="As it is priced now; prices for some values are added up.",
    )
    current_amount = fields.Monetary(readonly=True, aggregator=None)
    simulated_amount = fields.Monetary(readonly=True, aggregator=None)
    difference = fields.Monetary(readonly=True, aggregator=None)
    percent = fields.Float(
        string="Change (%)",
        digits=(16, 1),
        readonly=True,
        aggregator=None,
        help="Of what it costs now. Empty where that is nothing.",
    )
    current_company = fields.Monetary(
        string="Current (Company Currency)",
        currency_field="company_currency_id",
        readonly=True,
    )
    simulated_company = fields.Monetary(
        string="Simulated (Company Currency)",
        currency_field="company_currency_id",
        readonly=True,
    )
    difference_company = fields.Monetary(
        string="Difference (Company Currency)",
        currency_field="company_currency_id",
        readonly=True,
    )
    problem = fields.Char(
        readonly=True, help="Why a period has no amount, now or with the drafts."
    )

    @api.model
    def _prepare_lines(self, simulation, subscriptions):
        """Yield what periods cost now, and would cost.

        :param simulation: ``saas.usage.simulation``
        :param subscriptions: ``saas.subscription``
        """
        drafts = Drafts(tuple(simulation.price_ids.ids))
        # sudo: the answer covers all accounts, whoever asked for it
        subscriptions = subscriptions.sudo()
        now, then = (
            self._rate_all(simulation, records)
            for records in (
                subscriptions,
                subscriptions.with_context(**{DRAFTS: drafts}),
            )
        )
        for period, current in now.items():
            simulated = then[period]
            if (
                current.amount
                or simulated.amount
                or current.problem
                or simulated.problem
            ):
                yield self._prepare_line(simulation, period, current, simulated)

    def _prepare_line(self, simulation, period, current, simulated):
        subscription = (
            self.env["saas.subscription"].sudo().browse(period.subscription_id)
        )
        company = simulation.company_id
        amounts = [float(one.amount) for one in (current, simulated)]
        converted = [
            subscription.currency_id._convert(
                amount, company.currency_id, company, period.end
            )
            for amount in amounts
        ]
        change = amounts[1] - amounts[0]
        return {
            "simulation_id": simulation.id,
            "subscription_id": subscription.id,
            "product_tmpl_id": period.product_tmpl_id,
            "date_start": period.start,
            "date_end": period.end,
            "quantity": float(current.quantity),
            "current_amount": amounts[0],
            "simulated_amount": amounts[1],
            "difference": change,
            "percent": 100 * change / amounts[0] if amounts[0] else False,
            "current_company": converted[0],
            "simulated_company": converted[1],
            "difference_company": converted[1] - converted[0],
            "problem": simulated.problem or current.problem,
        }

    @api.model
    def _rate_all(self, simulation, subscriptions):
        """Rate the periods of some subscriptions.

        :param simulation: whose products and days
        :param subscriptions: with the drafts in their context, or without
        :return: dict of ``UsagePeriod`` to ``Outcome``
        """
        templates = set(simulation.price_ids.product_tmpl_id.ids)
        priced = {
            period: prices
            for subscription in subscriptions
            for period, prices in subscription._get_usage_prices(
                one
                for one in subscription._get_usage_periods(simulation.date_to)
                if one.product_tmpl_id in templates
                and one.start >= simulation.date_from
            ).items()
        }
        quantities = subscriptions._get_usage_quantities(priced)
        return {
            period: self._rate_one(
                subscriptions.browse(period.subscription_id), period, prices, measured
            )
            for period, prices in priced.items()
            for measured in [quantities[period]]
        }

    def _rate_one(self, subscription, period, prices, measured):
        """Return what a period costs, or why nobody can say."""
        quantity = add(one.quantity for one in measured.values())
        unpriced = measured.get(0)
        try:
            if unpriced and unpriced.quantity:
                raise BillingError(
                    subscription._get_no_price_message(period, prices, unpriced)
                )
            amount = add(
                subscription._rate_period(price, period, measured[price.id]).amount
                for price in prices
            )
        except (BillingError, UsagePriceError) as error:
            return Outcome(quantity, Decimal(0), str(error.args[0]))
        return Outcome(quantity, amount)
