# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices that reach back: which invoiced periods they correct, and why."""

from odoo import api, fields, models
from odoo.tools import SQL
from odoo.tools.misc import format_date

from ..exceptions import UsagePriceError
from .saas_usage_price_version import SCOPE

#: Fields that say which periods a price bills.
REACH = {*SCOPE, "date_start", "date_end", "active", "state"}


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    corrected_count = fields.Integer(
        string="Periods to Correct",
        compute="_compute_corrected_count",
        help="Periods that were invoiced with other prices or versions, and that this"
        " one takes over.",
    )
    correction_reason = fields.Char(
        string="Reason of the Correction",
        copy=False,
        tracking=True,
        help="Why periods that were invoiced are to have another price.",
    )

    @api.depends(*SCOPE, "date_start", "date_end")
    def _compute_corrected_count(self):
        for price in self:
            price.corrected_count = price._count_taken_over()

    def _count_taken_over(self) -> int:
        """Return how many invoiced periods get this price instead of another one.

        All prices of the product count that are not agreed closer than this one.
        An archived one goes on for what it was invoiced for, unless this is another
        version of it or names more dimensions.
        """
        self.ensure_one()
        template = self.product_tmpl_id.with_context(active_test=False)
        products = template.product_variant_ids.ids
        if not products or not self.date_start:
            return 0
        self.env["saas.charge"].flush_model()
        self.env["saas.subscription"].flush_model(["plan_id"])
        self.flush_model()
        [(count,)] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(DISTINCT (subscription_id, service_start)) FROM (
                    SELECT charge.subscription_id, charge.service_start,
                           (ARRAY_AGG((charge.details->>'price_id')::integer
                                      ORDER BY charge.id DESC)
                               FILTER (WHERE charge.details->>'price_id' IS NOT NULL)
                           )[1] AS price_id
                      FROM saas_charge charge
                      JOIN saas_subscription owner ON owner.id = charge.subscription_id
                      JOIN saas_usage_price price
                        ON price.id = split_part(charge.ref, ':', 2)::integer
                     WHERE charge.product_id = ANY(%(products)s)
                       AND charge.ref LIKE 'usage:%%'
                       AND charge.company_id = %(company)s
                       AND charge.currency_id = %(currency)s
                       AND charge.service_start >= %(start)s
                       AND (%(end)s::date IS NULL
                            OR charge.service_start < %(end)s::date)
                       AND %(scope)s
                     GROUP BY charge.subscription_id, charge.service_start, charge.ref
                    HAVING SUM(charge.amount) != 0 OR SUM(charge.quantity) != 0
                ) AS billed
                 WHERE price_id IS DISTINCT FROM %(own)s AND NOT EXISTS (
                    SELECT FROM saas_usage_price kept
                     WHERE kept.id = billed.price_id AND NOT kept.active
                       AND kept.root_id != %(root)s AND kept.match_count >= %(named)s
                )
                """,
                own=self._origin.id or 0,
                root=self.root_id.id or 0,
                named=self.match_count,
                products=products,
                company=self.company_id.id,
                currency=self.currency_id.id,
                start=self.date_start,
                end=self.date_end or None,
                scope=self._get_scope_condition(),
            )
        )
        return count

    def _get_scope_condition(self) -> SQL:
        """Return which subscriptions the price is for, less those that agreed more."""
        if self.subscription_id:
            return SQL("owner.id = %s", self.subscription_id.id)
        if self.plan_id:
            return SQL(
                "price.subscription_id IS NULL AND owner.plan_id = %s", self.plan_id.id
            )
        return SQL("price.subscription_id IS NULL AND price.plan_id IS NULL")

    @api.model_create_multi
    def create(self, vals_list):
        """Make prices; published ones need a reason to correct invoiced periods.

        :raise UsagePriceError: they would be corrected, and there is no reason
        """
        prices = super().create(vals_list)
        for price in prices.filtered("active"):
            if price.state == "published":
                price._take_over(price.correction_reason)
        return prices

    def write(self, vals):
        """Write prices; those that reach more invoiced periods then need a reason.

        :raise UsagePriceError: they would be corrected, and there is no reason
        """
        if not vals.keys() & REACH:
            return super().write(vals)
        before = self._count_reached()
        result = super().write(vals)
        for price, count in self._count_reached().items():
            if count > before.get(price, 0):
                price._take_over(price.correction_reason or vals.get("change_reason"))
        return result

    def _count_reached(self) -> dict:
        """Return how many invoiced periods each price that bills takes over."""
        return {
            price: price._count_taken_over()
            for price in self
            if price.active and price.state == "published"
        }

    def action_publish(self):
        """Let drafts bill; into periods that were invoiced for a reason only.

        :raise UsagePriceError: invoiced periods would be corrected, and there is none
        """
        # Asked before the version before is ended, which may be refused, too.
        for price in self.filtered(lambda price: price.state == "draft"):
            price._check_correction_reason(price.correction_reason)
        return super().action_publish()

    def _take_over(self, reason):
        """Let a price bill that reaches invoiced periods, for a reason only.

        :param str reason: may be empty
        :raise UsagePriceError: there are some, and there is no reason
        """
        self.invalidate_recordset(["corrected_count"])
        self._check_correction_reason(reason)
        self._log_correction(reason)

    def _check_correction_reason(self, reason):
        if not self.corrected_count or (reason or "").strip():
            return
        raise UsagePriceError(
            self.env._(
                "“%(name)s” begins on %(start)s: %(count)s periods that were invoiced"
                " since would be corrected by the next billing run. Let it begin later,"
                " or enter a “Reason of the Correction”.",
                name=self.name,
                start=format_date(self.env, self.date_start),
                count=self.corrected_count,
            )
        )

    def _log_correction(self, reason):
        """Write down that invoiced periods are corrected, and why."""
        if not self.corrected_count:
            return
        self.message_post(
            body=self.env._(
                "Applies to %(count)s periods that were invoiced before; the next"
                " billing run corrects them. Reason: %(reason)s",
                count=self.corrected_count,
                reason=reason,
            )
        )
