# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From a signed amendment or renewal quotation to amendments, and ramp steps."""

from datetime import date

from odoo import fields, models
from odoo.tools.misc import format_date

from ..exceptions import QuoteError

CONFIRMED = ("to_approve", "scheduled", "applied")
AMENDMENT_REFUSED = "order.amendment_refused"


class SaleOrder(models.Model):
    _inherit = "sale.order"

    # ------------------------------------------------------------------
    # What it is about
    # ------------------------------------------------------------------
    def _saas_get_effective_date(self) -> date:
        """Return the day an amendment or renewal takes effect."""
        self.ensure_one()
        return self.saas_start_date or fields.Date.context_today(self)

    def _saas_get_continuable_lines(self):
        """Return the recurring subscription lines in force when the quote counts."""
        self.ensure_one()
        subscription = self.saas_amended_subscription_id
        day = self._saas_get_effective_date()
        if self.saas_order_kind == "renewal" and day > subscription.date_start:
            # The new term continues what runs on the last day of the old one.
            day = fields.Date.subtract(day, days=1)
        return subscription._get_quotable_lines(day)

    def _saas_get_untouched_lines(self):
        """Return the recurring subscription lines the quotation does not mention."""
        self.ensure_one()
        mentioned = self.order_line.saas_continued_line_id
        return self._saas_get_continuable_lines() - mentioned

    def _saas_is_amended(self) -> bool:
        """Return whether the order has made its amendment already."""
        self.ensure_one()
        return bool(self._saas_get_amendments().filtered(lambda a: a.kind != "ramp"))

    def _saas_is_dropped(self) -> bool:
        """Return whether the amendment of the order was undone or refused."""
        self.ensure_one()
        domain = [("order_id", "=", self.id), ("state", "in", ("undone", "refused"))]
        # sudo: see below
        made = self.env["saas.amendment"].sudo().search_count(domain, limit=1)
        return bool(made) and not self._saas_is_amended()

    def _saas_get_amendments(self):
        """Return the confirmed amendments the order has made."""
        self.ensure_one()
        # sudo: a seller need not see amendments to be told that theirs was made
        return (
            self.env["saas.amendment"]
            .sudo()
            .search(
                [
                    ("order_id", "in", self._origin.ids),
                    ("order_id", "!=", False),
                    ("state", "in", CONFIRMED),
                ]
            )
        )

    # ------------------------------------------------------------------
    # Changes
    # ------------------------------------------------------------------
    def _saas_get_amendment_changes(self) -> list[dict]:
        """Return what the quotation changes, as ``saas.subscription.amend`` takes it.

        A line that was left as it is changes nothing; a quantity of 0 ends the line.

        :return: one dict per changed or added line
        """
        self.ensure_one()
        changes = [
            self._saas_get_line_change(line)
            for line in self._saas_get_subscription_lines()
        ]
        return [change for change in changes if change]

    def _saas_get_line_change(self, line) -> dict:
        continued = line.saas_continued_line_id
        if not continued:
            metered = line.product_id.saas_charge_kind == "usage"
            if line.product_uom_qty <= 0 and not metered:
                return {}
            return {
                "action": "start",
                "product_id": line.product_id.id,
                "name": line.name,
                "quantity": line.product_uom_qty or 1.0,
                "price_unit": line.price_unit,
                "discount": line.discount,
            }
        if not line.product_uom_qty:
            return {"action": "end", "line_id": continued.id}
        change = {}
        # What is signed counts, also where it repeats the old terms and something
        # else was agreed for the same day.
        agreed = continued._get_line_on(self._saas_get_effective_date())
        for known in continued | agreed:
            if line.product_id != known.product_id:
                change.update(product_id=line.product_id.id, name=line.name)
            change.update(
                _get_differences(
                    (line.product_uom_qty, line.price_unit, line.discount),
                    (known.quantity, known.price_unit, known.discount),
                )
            )
        if "product_id" in change:
            # Another product has its own terms: say all of them.
            change.update(price_unit=line.price_unit, discount=line.discount)
        if not change:
            return {}
        return {"action": "set", "line_id": continued.id, **change}

    def _saas_get_amendment_kind(self, changes: list[dict]) -> str:
        """Return the kind of amendment a list of changes is.

        :param list changes: see ``_saas_get_amendment_changes``
        :return: ``renewal``, ``add``, ``remove``, ``quantity``, ``upgrade`` or
            ``downgrade``
        """
        if self.saas_order_kind == "renewal":
            return "renewal"
        actions = {change["action"] for change in changes}
        if actions == {"start"}:
            return "add"
        if actions == {"end"}:
            return "remove"
        terms = {name for change in changes for name in change}
        if actions == {"set"} and terms == {"action", "line_id", "quantity"}:
            return "quantity"
        return "downgrade" if self.saas_mrr_delta < 0 else "upgrade"

    # ------------------------------------------------------------------
    # On confirmation
    # ------------------------------------------------------------------
    def _saas_do_amend(self):
        """Make the amendment the customer has signed, once.

        :return: the amended subscription
        :raise QuoteError: it can't be made any more
        """
        self.ensure_one()
        subscription = self.saas_amended_subscription_id
        if self._saas_is_amended():
            return subscription
        self._saas_check_quote()
        changes = self._saas_get_amendment_changes()
        options = {"order_id": self.id, "source": "quote"}
        kind = self._saas_get_amendment_kind(changes)
        if kind == "renewal":
            options.update(self._saas_get_renewal_options())
        subscription.amend(
            kind,
            effective="date",
            date_effective=self._saas_get_effective_date(),
            lines=changes,
            reason=self.env._("Order %(order)s", order=self.name),
            **options,
        )
        return subscription

    def _saas_on_amended(self, amendment):
        """Do what follows from an amendment of the order, once it is confirmed.

        One that waits for approval gives nothing away yet. Safe to repeat.

        :param amendment: ``saas.amendment``, confirmed, not a ramp step
        """
        for order in self._saas_get_workflow_orders():
            order._saas_link_new_lines(amendment.sudo())
            order._saas_grant_coupon(order.saas_amended_subscription_id)
            order._saas_schedule_ramps(order.saas_amended_subscription_id)
            # A refused order is replaced by another quotation on the subscription.
            order.saas_amended_subscription_id.quote_ids._saas_resolve(
                AMENDMENT_REFUSED,
                self.env._("%(name)s was confirmed.", name=amendment.name),
            )

    def _saas_on_amendment_refused(self, amendment):
        """Remind sales that the customer has signed what nobody carries out.

        :param amendment: ``saas.amendment``, refused
        """
        for order in self._saas_get_workflow_orders():
            order._saas_raise(
                AMENDMENT_REFUSED,
                self.env._(
                    "%(order)s was signed, but its amendment %(name)s was refused, so "
                    "nothing has changed. Tell the customer, cancel the order and "
                    "agree on a new quotation.",
                    order=order.name,
                    name=amendment.name,
                ),
                queue="sales_ops",
                severity="high",
            )

    def _saas_on_amendment_dropped(self, amendment):
        """Go back to before the signature: its amendment was undone or refused.

        :param amendment: ``saas.amendment``, not a ramp step
        """
        self.env["saas.renewal"]._forget_signature(self)
        if amendment.state != "undone":
            # Whoever refuses it says so on its own.
            return
        for order in self._saas_get_workflow_orders():
            order._saas_raise(
                AMENDMENT_REFUSED,
                self.env._(
                    "%(order)s was signed, but its amendment %(name)s was undone, so "
                    "it is not carried out. Tell the customer, cancel the order and "
                    "agree on a new quotation.",
                    order=order.name,
                    name=amendment.name,
                ),
                queue="sales_ops",
                severity="high",
            )

    def _saas_on_amendment_undone(self, amendment):
        """Take back what followed from an amendment: its ramp steps and its coupon.

        :param amendment: ``saas.amendment`` about to be undone, not a ramp step
        :raise LedgerError: the coupon has reduced charges already
        """
        # sudo: who may undo the amendment may undo what came with it
        subscription = amendment.sudo().subscription_id
        subscription.amendment_ids.filtered(
            lambda step: (
                step.kind == "ramp"
                and step.order_id in self
                and step.state == "scheduled"
            )
        ).action_undo()
        subscription.coupon_ids.filtered(lambda grant: grant.order_id in self).unlink()

    def _action_cancel(self):
        amendments = self._saas_check_not_in_force()
        result = super()._action_cancel()
        for amendment in amendments:
            # What came with it, ramp steps and coupon, goes along.
            if amendment.state == "applied":
                amendment._take_back()
            else:
                amendment.action_undo()
        # Nobody waits for the change any more.
        self._saas_resolve(AMENDMENT_REFUSED)
        return result

    def _saas_check_not_in_force(self):
        """Refuse to cancel orders the amendment of which was carried out.

        :return: the amendments that can be undone, ``saas.amendment``
        :raise QuoteError: carried out, and what to do instead
        """
        # sudo: who may cancel the order need not see its amendments
        amendments = self.env["saas.amendment"].sudo()
        for order in self.filtered(lambda o: o.saas_order_kind != "new"):
            amendments |= order._saas_get_amendments().filtered(
                lambda amendment: amendment.kind != "ramp"
            )
        for amendment in amendments.filtered(lambda a: a.state == "applied"):
            amendment.order_id._saas_check_taken_back(amendment)
        return amendments

    def _saas_check_taken_back(self, amendment):
        """Refuse to cancel what has taken effect; a hook for what can be taken back.

        :param amendment: applied ``saas.amendment`` of the order
        :raise QuoteError: what to do instead
        """
        self.ensure_one()
        raise QuoteError(
            self.env._(
                "%(order)s is carried out: its amendment %(name)s took effect on "
                "%(day)s. Amend or cancel %(subscription)s instead.",
                order=self.name,
                name=amendment.name,
                day=format_date(self.env, amendment.date_effective),
                subscription=amendment.subscription_id.name,
            )
        )

    def _saas_link_new_lines(self, amendment):
        """Tell the lines an amendment has made which order line they come from."""
        order_lines = self._saas_get_subscription_lines().filtered(
            lambda line: not line.saas_continued_line_id and line.product_uom_qty > 0
        )
        for started in amendment.line_ids.filtered(lambda ln: ln.action == "start"):
            line = order_lines.filtered(
                lambda ln, own=started: (
                    ln.product_id == own.product_id
                    and ln.product_uom_qty == own.quantity
                    and ln.price_unit == own.price_unit
                )
            )[:1]
            if line and started.line_id and not started.line_id.sale_line_id:
                started.line_id.write(
                    {
                        "sale_line_id": line.id,
                        "analytic_distribution": line.analytic_distribution,
                    }
                )
                order_lines -= line

    def _saas_grant_coupon(self, subscription):
        """Grant the coupon of the quotation, once."""
        coupon = self.saas_coupon_id
        if not coupon or coupon in subscription.coupon_ids.coupon_id:
            return
        moment = fields.Datetime.context_timestamp(self, self.date_order)
        start = subscription.anchor_date
        if self.saas_order_kind != "new":
            start = self._saas_get_effective_date()
        self.env["saas.subscription.coupon"].create(
            {
                "subscription_id": subscription.id,
                "coupon_id": coupon.id,
                "order_id": self.id,
                "date_start": start,
                "date_granted": moment.date(),
            }
        )

    # ------------------------------------------------------------------
    # Ramp
    # ------------------------------------------------------------------
    def _saas_schedule_ramps(self, subscription):
        """Schedule one amendment per ramp month, once."""
        if not self.saas_ramp_ids:
            return
        scheduled = set(
            self._saas_get_amendments()
            .filtered(lambda amendment: amendment.kind == "ramp")
            .mapped("date_effective")
        )
        start = self._saas_get_effective_date()
        for month, _ramps in self._saas_get_ramps_by_month():
            day = fields.Date.add(start, months=month)
            changes = self._saas_get_ramp_changes(subscription, month)
            if not changes or day in scheduled:
                continue
            subscription.amend(
                "ramp",
                effective="date",
                date_effective=day,
                lines=changes,
                reason=self.env._(
                    "Ramp price of order %(order)s from month %(month)s",
                    order=self.name,
                    month=month,
                ),
                order_id=self.id,
                source="quote",
            )

    def _saas_get_ramp_changes(self, subscription, month: int) -> list[dict]:
        """Return what changes in a ramp month, as ``amend`` takes it."""
        changes = []
        for line in self._saas_get_recurring_lines():
            steps = self._saas_get_line_steps(line)
            index = next((i for i, s in enumerate(steps) if s.from_month == month), 0)
            chain = line.saas_continued_line_id or self._saas_get_chain(
                subscription, line
            )
            if not index or not chain:
                continue
            terms = _get_differences(steps[index][1:], steps[index - 1][1:])
            if terms:
                changes.append({"action": "set", "line_id": chain.id, **terms})
        return changes

    def _saas_get_chain(self, subscription, line):
        """Return the subscription line that an order line has started."""
        return subscription.line_ids.filtered(
            lambda own: own.sale_line_id == line and own.root_id in (own, own.browse())
        )[:1]


def _get_differences(new: tuple, old: tuple) -> dict:
    """Return quantity, price and discount where they differ."""
    names = ("quantity", "price_unit", "discount")
    return {
        name: value
        for name, value, before in zip(names, new, old, strict=True)
        if value != before
    }
