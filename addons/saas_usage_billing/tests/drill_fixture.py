# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command

from .common import TIER_TABLE, UsageFixture

CUTOFF = date(2026, 4, 1)


class DrillFixture(UsageFixture):
    """A subscription whose calls of March are booked, by region."""

    @classmethod
    def create_drill(cls):
        cls.create_world()
        cls.calls_meter.dimension_ids = [
            Command.create({"key": "region", "name": "Region"})
        ]
        cls.price = cls.create_price(tiers=TIER_TABLE)
        cls.traffic_price = cls.create_price(cls.traffic, model="standard")
        cls.store(60, "2026-03-10", region="eu")
        cls.store(140, "2026-03-11", region="us")
        cls.store(420, "2026-03-31", region="eu")
        cls.charge = cls.book(cls.subscription)

    @classmethod
    def book(cls, subscription, product=None):
        """Book what is due and return the charge of a product, as a run does."""
        booked = cls.env["saas.charge"]
        for charge in subscription._get_unbooked_charges(CUTOFF):
            # sudo: only billing runs book charges
            booked |= booked.sudo().create(subscription._prepare_charge_vals(charge))
        product = product or cls.calls
        return booked.sudo(False).filtered(lambda one: one.product_id == product)
