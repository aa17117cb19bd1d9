# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A rated quantity as evidence of its charge, and in words."""

from decimal import Decimal

from odoo import api, fields, models
from odoo.tools.misc import formatLang

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.errors import EngineError
from ..exceptions import UsagePriceError
from .saas_usage_price import format_quantity
from .saas_usage_price_terms import PERCENTAGES, TERMS


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    example_quantity = fields.Float(
        digits="Usage Quantity", default=5432, aggregator=None
    )
    example = fields.Text(compute="_compute_example")

    @api.depends(
        *TERMS,
        "currency_id",
        "unit",
        "example_quantity",
        "example_events",
        "tier_ids.up_to",
        "tier_ids.unit_price",
        "tier_ids.flat_amount",
        "tier_ids.block_size",
        "match_text",
    )
    def _compute_example(self):
        for price in self:
            try:
                rated = price._rate(to_decimal(price.example_quantity))
            except (UsagePriceError, EngineError) as error:
                price.example = str(error.args[0]) if error.args else ""
                continue
            quantity, *texts = price._describe(price._prepare_details(rated))
            if price.match_text:
                quantity = f"{quantity} ({price.match_text})"
            total = self.env._(
                "%(quantity)s cost %(amount)s",
                quantity=quantity,
                amount=price._format_amount(rated.amount),
            )
            if price.free_per_product_id:
                texts.append(
                    self.env._(
                        "With one %(product)s.",
                        product=price.free_per_product_id.display_name,
                    )
                )
            price.example = "\n".join([total, *texts])

    def _prepare_details(self, rated):
        """Prepare the evidence of a rated quantity, kept with its charge.

        :param rated: ``RatedUsage`` of this price
        :return: dict of plain values, numbers as text so that no digit is lost
        """
        self.ensure_one()
        lines = [line for line in rated.lines if line.quantity or line.amount]
        return {
            "meter": self.meter_id.code,
            "unit": self.unit or "",
            "price_id": self.id,
            "model": self.model,
            "quantity": _text(rated.quantity),
            "converted": _text(rated.converted),
            "free": _text(rated.converted - rated.billable),
            "allowance": _text(rated.allowance),
            "package_size": _text(to_decimal(self.package_size)),
            "tiers": [
                {
                    "above": _text(line.lower),
                    "up_to": None if line.upper is None else _text(line.upper),
                    "quantity": _text(line.quantity),
                    "unit_price": _text(line.unit),
                    "flat": _text(line.flat),
                    "amount": str(line.amount),
                    "size": None if line.size is None else _text(line.size),
                }
                for line in lines
            ],
            "steps": [
                {"step": step.step, "amount": str(step.amount)}
                for step in rated.adjustments
            ],
        }

    def _describe(self, details):
        """Put a rated quantity into words, in the language of the environment.

        :param dict details: see ``_prepare_details``
        :return: list of str: the quantity, then one text per tier and step
        """
        self.ensure_one()
        texts = [f"{format_quantity(details['quantity'])} {self.unit or ''}".strip()]
        # Charges of earlier versions of this module know of no conversion.
        converted = details.get("converted", details["quantity"])
        if Decimal(converted) != Decimal(details["quantity"]):
            texts.append(
                self.env._(
                    "billed as %(quantity)s", quantity=format_quantity(converted)
                )
            )
        if Decimal(details["free"]):
            texts.append(self._describe_free(details))
        texts += [self._describe_tier(details, tier) for tier in details["tiers"]]
        labels = self._get_step_labels()
        texts += [
            f"{labels.get(step['step'], step['step'])}:"
            f" {self._format_amount(step['amount'])}"
            for step in details["steps"]
        ]
        return texts

    def _describe_free(self, details):
        free = format_quantity(details["free"])
        allowance = details.get("allowance", details["free"])
        if Decimal(allowance) == Decimal(details["free"]):
            return self.env._("%(free)s free of charge", free=free)
        return self.env._(
            "%(free)s of %(allowance)s free of charge",
            free=free,
            allowance=format_quantity(round(Decimal(allowance), 6)),
        )

    def _describe_tier(self, details, tier):
        values = {
            "quantity": format_quantity(tier["quantity"]),
            "price": self._format_price(tier["unit_price"]),
            "percent": format_quantity(tier["unit_price"]),
            "amount": self._format_amount(tier["amount"]),
            "flat": self._format_price(tier["flat"]),
            "size": format_quantity(tier.get("size") or details["package_size"]),
        }
        template = self._get_tier_template(
            details["model"], bool(Decimal(tier["flat"]))
        )
        return template % values

    def _get_tier_template(self, model, has_flat):
        """Return how a tier of a price model is put, with named placeholders."""
        if model == "package":
            return self.env._(
                "%(quantity)s in packages of %(size)s at %(price)s = %(amount)s"
            )
        if model == "block":
            return self.env._(
                "%(quantity)s in blocks of %(size)s at %(price)s = %(amount)s"
            )
        if model == "stairstep":
            return self.env._("%(quantity)s at the fixed price of %(amount)s")
        if model in PERCENTAGES:
            if has_flat:
                return self.env._(
                    "%(percent)s%% of %(quantity)s + %(flat)s = %(amount)s"
                )
            return self.env._("%(percent)s%% of %(quantity)s = %(amount)s")
        if has_flat:
            return self.env._("%(quantity)s × %(price)s + %(flat)s = %(amount)s")
        return self.env._("%(quantity)s × %(price)s = %(amount)s")

    def _get_step_labels(self):
        return {
            "discount": self.env._("Discount"),
            "maximum": self.env._("Capped at the maximum"),
            "minimum": self.env._("Raised to the minimum"),
            "proration": self.env._("For part of the period, by days"),
            "credits": self.env._("Prepaid credits"),
        }

    def _format_amount(self, amount):
        return formatLang(self.env, float(amount), currency_obj=self.currency_id)

    def _format_price(self, price):
        text = format_quantity(price)
        if len(text.partition(".")[2]) <= self.currency_id.decimal_places:
            return self._format_amount(price)
        return f"{text} {self.currency_id.name}"


def _text(number):
    return format(number.normalize() if number else Decimal(0), "f")
