# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Archived prices of a subscription's invoiced periods, and its free units."""

from odoo import models
from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from .saas_subscription_usage_periods import CACHE


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_usage_prices(self, usage_periods):
        """Let archived prices go on for the periods they were invoiced for.

        Archiving must neither fail nor reverse what was billed. Another version of
        the same price corrects it, though.
        """
        result = super()._get_usage_prices(usage_periods)
        archived = self._get_archived_prices()
        if not archived:
            return result
        for period, prices in result.items():
            kept = archived.get((period.product_tmpl_id, period.start))
            if kept:
                result[period] = prices._insert_archived(kept)
        return result

    def _get_archived_prices(self):
        """Return the archived prices that periods are booked with.

        Read for all subscriptions browsed together, once per transaction.

        :return: dict of (product template id, first day) to prices
        """
        self.ensure_one()
        cache = self.env.cr.cache.setdefault(CACHE, {}).setdefault("archived", {})
        if self.id not in cache:
            batch = self.browse(self._prefetch_ids) | self
            cache.update({one: {} for one in batch.ids})
            for owner, start, price_id in batch._find_archived():
                cache[owner][start] = [*cache[owner].get(start, []), price_id]
        # sudo: the difference must find the price, whoever computes it
        Price = self.env["saas.usage.price"].sudo()
        return {
            (template.id, start): own
            for start, ids in cache[self.id].items()
            for template, own in Price.browse(ids).grouped("product_tmpl_id").items()
        }

    def _find_archived(self):
        """Return (subscription, first day, price) of what is booked by archived prices.

        What was taken back does not count; among the bookings of a period the last one
        says the price.
        """
        self.env["saas.charge"].flush_model()
        self.env["saas.usage.price"].flush_model()
        return self.env.execute_query(
            SQL(
                """
                WITH booked AS (
                    SELECT subscription_id, ref, service_start,
                           (ARRAY_AGG((details->>'price_id')::integer ORDER BY id DESC)
                               FILTER (WHERE details->>'price_id' IS NOT NULL)
                           )[1] AS price_id
                      FROM saas_charge
                     WHERE subscription_id = ANY(%(ids)s) AND base_kind = 'usage'
                       AND EXISTS (SELECT FROM saas_usage_price WHERE NOT active)
                     GROUP BY subscription_id, ref, service_start
                    HAVING SUM(amount) != 0 OR SUM(quantity) != 0
                )
                SELECT booked.subscription_id, booked.service_start, price.id
                  FROM booked
                  JOIN saas_usage_price price ON price.id = booked.price_id
                 WHERE NOT price.active
                """,
                ids=self.ids,
            )
        )

    def _get_free_factor(self, price, period):
        """Return how often the free units of a price are granted in a period.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: its first day counts
        :return: Decimal or int: quantity of the product that brings them, else 1
        """
        self.ensure_one()
        product = price.free_per_product_id
        if not product:
            return 1
        day = period.start
        lines = self.line_ids.filtered(
            lambda line: (
                line.kind == "recurring"
                and line.product_id == product
                and line.date_start <= day
                and (not self._get_line_end(line) or day < self._get_line_end(line))
            )
        )
        return sum(to_decimal(line.quantity) for line in lines)
