# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..exceptions import AmendmentError, LedgerError
from .common_amendment import TODAY, AmendmentCase


@tagged("post_install", "-at_install")
class TestAmendmentGuards(AmendmentCase):
    """What amendments refuse: contradictions, forgery, and damage to others."""

    # ------------------------------------------------------------------
    # Edges
    # ------------------------------------------------------------------
    def test_ended_line_takes_no_change(self):
        extra = self.create_product("Extra", 80.0, saas_charge_kind="recurring")
        added = self.subscription.amend(
            "add", lines=[{"action": "start", "product_id": extra.id, "quantity": 2}]
        ).line_ids.line_id
        self.subscription.amend(
            "remove",
            date_effective=date(2026, 6, 1),
            lines=[{"action": "end", "line_id": added.id}],
        )
        with self.assertRaises(AmendmentError):
            self.subscription.amend(
                "quantity",
                date_effective=date(2026, 6, 1),
                lines=[{"line_id": added.id, "quantity": 5}],
            )

    def test_what_later_changes_build_on_is_not_undone(self):
        extra = self.create_product("Extra", 80.0, saas_charge_kind="recurring")
        first = self.subscription.amend(
            "add",
            "next_period",
            lines=[{"action": "start", "product_id": extra.id, "quantity": 2}],
        )
        later = self.subscription.amend(
            "quantity",
            date_effective=date(2026, 6, 1),
            lines=[{"line_id": first.line_ids.line_id.id, "quantity": 5}],
        )
        with self.assertRaisesRegex(AmendmentError, later.name):
            first.action_undo()
        later.action_undo()
        first.action_undo()
        self.assertEqual(self.due(date(2026, 7, 1)), 2000.0)

    def test_pause_made_known_after_it_was_over(self):
        self.bill()
        self.subscription.pause(
            date_effective=date(2026, 3, 3), date_resume=date(2026, 3, 13)
        )
        self.assertEqual(self.subscription.state, "active")
        self.assertEqual(self.due(), -161.29)
        for name in ("subscription.paused", "subscription.resumed"):
            self.assertEqual(len(self.events(self.subscription, name)), 1)

    def test_plan_upgrade_keeps_the_anchor(self):
        subscription = self.create_subscription(
            date_start=date(2026, 3, 1), anchor_date=date(2026, 3, 10)
        ).with_user(self.manager)
        pro = self.create_plan(name="Pro")
        product = self.create_product("Platform Pro", 900.0, saas_plan_id=pro.id)
        line = subscription.line_ids
        subscription.amend(
            "upgrade",
            lines=[{"line_id": line.id, "product_id": product.id, "price_unit": 900.0}],
        )
        self.assertEqual(subscription.plan_id, pro)
        self.assertEqual(subscription.anchor_date, date(2026, 3, 10))

    # ------------------------------------------------------------------
    # What a review found
    # ------------------------------------------------------------------
    def test_another_rhythm_is_refused_when_it_is_scheduled(self):
        yearly = self.create_plan(name="Yearly", recurrence_unit="year")
        product = self.create_product("Yearly", 900.0, saas_plan_id=yearly.id)
        for kind, row in (
            ("upgrade", {"line_id": self.line.id, "product_id": product.id}),
            ("add", {"action": "start", "product_id": product.id, "quantity": 1}),
        ):
            with self.assertRaises(AmendmentError), self.env.cr.savepoint():
                self.subscription.amend(kind, "next_period", lines=[row])

    def test_added_product_of_another_plan_leaves_the_plan(self):
        addon = self.create_product(
            "Add-on", 50.0, saas_plan_id=self.create_plan(name="Add-ons").id
        )
        self.subscription.amend(
            "add", lines=[{"action": "start", "product_id": addon.id, "quantity": 1}]
        )
        self.assertEqual(self.subscription.plan_id, self.plan)

    def test_back_to_the_first_product(self):
        pro = self.create_product("Pro", 900.0, saas_charge_kind="recurring")
        for day, product, price in (
            (date(2026, 4, 1), pro, 900.0),
            (date(2026, 5, 1), self.platform, 500.0),
        ):
            self.subscription.amend(
                "upgrade",
                date_effective=day,
                lines=[
                    {
                        "line_id": self.line.id,
                        "product_id": product.id,
                        "price_unit": price,
                    }
                ],
            )
        lines = self.subscription.line_ids.sorted("date_start")
        self.assertEqual(
            [line.product_id.name for line in lines], ["Platform", "Pro", "Platform"]
        )
        self.assertEqual(lines[-1].price_unit, 500.0)

    def test_no_row_gets_into_a_confirmed_amendment(self):
        applied = self.subscription.change_quantity(self.line.id, 3)
        free = {
            "action": "set",
            "line_id": self.line.id,
            "price_unit": 0.0,
            "has_price": True,
        }
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.env["saas.amendment.line"].with_user(self.manager).create(
                {"amendment_id": applied.id, **free}
            )
        draft = self.subscription.amend("quantity", lines=[free], confirm=False)
        with self.assertRaises(AmendmentError):
            draft.line_ids.amendment_id = applied

    def test_context_is_no_permission(self):
        self.bill()
        forged = {"saas_sync_terms": True}
        with self.assertRaises(LedgerError), self.env.cr.savepoint():
            self.line.with_context(**forged).write({"price_unit": 0.0})
        with self.assertRaises(LedgerError), self.env.cr.savepoint():
            self.subscription.with_context(**forged).write(
                {"anchor_date": date(2026, 3, 9)}
            )
        with self.assertRaises(LedgerError), self.env.cr.savepoint():
            self.subscription.write({"min_term_end": False})

    def test_origin_of_an_amendment_is_not_claimed(self):
        order = self.create_order()
        for forged in ({"order_id": order.id}, {"source": "quote"}):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                self.subscription.amend(
                    "quantity",
                    lines=[{"line_id": self.line.id, "quantity": 2}],
                    **forged,
                )

    def test_one_broken_contract_does_not_stop_the_day(self):
        other = self.create_subscription(date_start=date(2026, 3, 1)).with_user(
            self.manager
        )
        for subscription in (self.subscription, other):
            subscription.amend(
                "quantity",
                "next_period",
                lines=[{"line_id": subscription.line_ids.id, "quantity": 2}],
            )
        broken = self.subscription.id
        cls = type(self.env["saas.subscription"])
        advance = cls._do_advance_to

        def fail(subscription, day):
            if subscription.id == broken:
                raise ValueError("unexpected")
            return advance(subscription, day)

        day = date(2026, 4, 1)
        with patch.object(cls, "_do_advance_to", fail):
            self.env["saas.subscription"]._process_lifecycle(day)
        self.assertEqual(other.mrr, 1000.0)
        failed = self.exceptions("subscription.lifecycle_failed")
        self.assertEqual(failed.mapped("res_id"), [broken])
        self.env["saas.subscription"]._process_lifecycle(day)
        self.assertEqual(self.subscription.mrr, 1000.0)
        self.assertEqual(failed.state, "resolved")

    def test_undo_keeps_pauses_whole(self):
        first = self.subscription.pause(date_effective=date(2026, 4, 10))
        resume = self.subscription.resume(date_effective=date(2026, 4, 20))
        self.subscription.pause(
            date_effective=date(2026, 5, 1), date_resume=date(2026, 6, 1)
        )
        for amendment in (first, resume):
            with self.assertRaises(AmendmentError), self.env.cr.savepoint():
                amendment.action_undo()
        self.assertEqual(len(self.subscription._get_pauses()), 2)

    def test_cancel_without_credit_keeps_what_changed_that_day(self):
        self.bill()
        self.subscription.change_quantity(self.line.id, 2)
        # A change on the very day of the end has no days: the period stays charged
        # as it was begun.
        self.subscription.cancel("now", credit=False)
        self.assertEqual(self.due(), 0.0)

    def test_pause_after_the_end_takes_nothing_off(self):
        self.bill()
        self.subscription.pause(
            date_effective=date(2026, 3, 26), date_resume=date(2026, 5, 1)
        )
        self.subscription.cancel(date_effective=date(2026, 3, 20), credit=False)
        self.assertEqual(self.due(), 0.0)

    def test_renewal_waits_for_the_term(self):
        # Early on the first day of a billing period only, and never later.
        for day in (date(2026, 9, 15), date(2027, 4, 1)):
            with self.assertRaises(AmendmentError):
                self.subscription.amend("renewal", date_effective=day)

    def test_trial_ended_early_takes_coupon_and_fees_along(self):
        coupon = self.env["saas.coupon"].create(
            {
                "code": "HALF",
                "name": "Half",
                "discount_type": "percent",
                "value": 50,
                "duration": "periods",
                "periods": 3,
                "company_id": self.company.id,
            }
        )
        trial_end = date(2026, 3, 31)
        subscription = self.create_subscription(
            lines=[
                {
                    "product_id": self.platform.id,
                    "price_unit": 500.0,
                    "date_start": trial_end,
                },
                {
                    "product_id": self.package.id,
                    "price_unit": 100.0,
                    "date_start": date(2026, 3, 1),
                },
            ],
            date_start=date(2026, 3, 1),
            trial_end=trial_end,
        ).with_user(self.manager)
        self.env["saas.subscription.coupon"].create(
            {
                "subscription_id": subscription.id,
                "coupon_id": coupon.id,
                "date_start": trial_end,
            }
        )
        self.bill(cutoff=date(2026, 3, 15))
        self.assertEqual(self.ledger_total(subscription), 100.0)
        subscription.end_trial()
        self.assertEqual(subscription.anchor_date, TODAY)
        self.assertEqual(self.due(date(2026, 3, 20), subscription), 250.0)
