# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from itertools import permutations

from freezegun import freeze_time

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..exceptions import AmendmentError, LedgerError, TransitionError
from .common_amendment import TODAY, AmendmentCase


@tagged("post_install", "-at_install")
class TestAmendment(AmendmentCase):
    # ------------------------------------------------------------------
    # Lines
    # ------------------------------------------------------------------
    def test_change_of_quantity_ends_one_line_and_starts_another(self):
        self.bill()
        amendment = self.subscription.change_quantity(self.line.id, 3)
        self.assertEqual(amendment.state, "applied")
        self.assertEqual(self.line.date_end, TODAY)
        new = self.subscription.line_ids - self.line
        self.assertEqual((new.quantity, new.date_start), (3, TODAY))
        self.assertEqual((new.root_id, new.amendment_id), (self.line, amendment))
        # 16 of 31 days: -258.06 for one, +774.19 for three
        self.assertEqual(self.due(), 516.13)
        self.assertEqual(amendment.mrr_delta, 1000.0)
        self.assertEqual(
            len(self.events(self.subscription, "subscription.upgraded")), 1
        )

    def test_preview_is_what_the_next_run_books(self):
        self.bill()
        draft = self.subscription.amend(
            "quantity",
            lines=[{"line_id": self.line.id, "quantity": 3}],
            confirm=False,
        )
        preview = draft._preview()
        self.assertEqual(preview["problem"], "")
        self.assertEqual(float(preview["net"]), 516.13)
        self.assertEqual(self.subscription.line_ids, self.line)
        draft.action_confirm()
        self.assertEqual(self.due(), float(preview["net"]))

    def test_entered_in_any_order_gives_the_same_ledger(self):
        changes = [
            (date(2026, 3, 5), {"quantity": 4}),
            (date(2026, 3, 9), {"price_unit": 650.0}),
            (date(2026, 3, 20), {"quantity": 2}),
        ]
        totals = set()
        for order in permutations(changes):
            subscription = self.create_subscription(
                date_start=date(2026, 3, 1)
            ).with_user(self.manager)
            line = subscription.line_ids
            for day, terms in order:
                subscription.amend(
                    "quantity",
                    date_effective=day,
                    lines=[{"line_id": line.id, **terms}],
                )
                self.bill(cutoff=date(2026, 5, 1), partner_ids=[])
            totals.add(self.ledger_total(subscription))
        self.assertEqual(len(totals), 1, totals)

    def test_backdated_into_a_closed_period_is_corrected(self):
        self.bill(cutoff=date(2026, 5, 1))
        self.assertEqual(self.ledger_total(), 1000.0)
        self.subscription.amend(
            "quantity",
            date_effective=date(2026, 3, 1),
            lines=[{"line_id": self.line.id, "quantity": 2}],
        )
        self.bill(cutoff=date(2026, 5, 1))
        self.assertEqual(self.ledger_total(), 2000.0)

    def test_new_product_and_removal(self):
        extra = self.create_product("Extra", 80.0, saas_charge_kind="recurring")
        self.subscription.amend(
            "add",
            "next_period",
            lines=[{"action": "start", "product_id": extra.id, "quantity": 2}],
        )
        added = self.subscription.line_ids - self.line
        self.assertEqual(added.date_start, date(2026, 4, 1))
        self.assertEqual(added.price_unit, 80.0)
        self.subscription.amend(
            "remove",
            date_effective=date(2026, 6, 1),
            lines=[{"action": "end", "line_id": added.id}],
        )
        self.assertEqual(added.date_end, date(2026, 6, 1))

    def test_amended_lines_are_not_edited_by_hand(self):
        self.subscription.change_quantity(self.line.id, 3)
        with self.assertRaises(LedgerError):
            self.line.date_end = date(2026, 12, 1)
        with self.assertRaises(LedgerError):
            self.subscription.date_end = date(2026, 12, 1)

    def test_upgrade_follows_the_plan_of_the_product(self):
        pro = self.create_plan(name="Pro")
        product = self.create_product("Platform Pro", 900.0, saas_plan_id=pro.id)
        self.subscription.amend(
            "upgrade",
            lines=[
                {"line_id": self.line.id, "product_id": product.id, "price_unit": 900.0}
            ],
        )
        self.assertEqual(self.subscription.plan_id, pro)
        self.assertEqual(self.subscription.mrr, 900.0)

    def test_upgrade_to_another_rhythm_is_refused(self):
        yearly = self.create_plan(name="Yearly", recurrence_unit="year")
        product = self.create_product("Yearly", 900.0, saas_plan_id=yearly.id)
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.subscription.amend(
                "upgrade",
                lines=[{"line_id": self.line.id, "product_id": product.id}],
            )

    # ------------------------------------------------------------------
    # Schedule and undo
    # ------------------------------------------------------------------
    def test_scheduled_change_can_be_undone(self):
        amendment = self.subscription.amend(
            "quantity", "next_period", lines=[{"line_id": self.line.id, "quantity": 9}]
        )
        self.assertEqual(amendment.state, "scheduled")
        self.assertEqual(self.due(date(2026, 4, 2)), 5000.0)
        amendment.action_undo()
        self.assertEqual(amendment.state, "undone")
        self.assertEqual(self.due(date(2026, 4, 2)), 1000.0)
        self.assertFalse(self.line.date_end)
        self.assertEqual(self.subscription.line_ids, self.line)

    def test_undo_takes_back_what_was_billed_ahead(self):
        amendment = self.subscription.amend(
            "quantity", "next_period", lines=[{"line_id": self.line.id, "quantity": 9}]
        )
        self.bill(cutoff=date(2026, 4, 2))
        self.assertEqual(self.ledger_total(), 5000.0)
        amendment.action_undo()
        self.bill(cutoff=date(2026, 4, 2))
        self.assertEqual(self.ledger_total(), 1000.0)

    def test_applied_change_is_not_undone(self):
        amendment = self.subscription.change_quantity(self.line.id, 3)
        with self.assertRaises(TransitionError):
            amendment.action_undo()

    def test_daily_job_applies_scheduled_changes_once(self):
        self.subscription.amend(
            "quantity", "next_period", lines=[{"line_id": self.line.id, "quantity": 2}]
        )
        self.assertFalse(self.events(self.subscription, "subscription.upgraded"))
        for _attempt in range(2):
            self.env["saas.subscription"]._process_lifecycle(date(2026, 4, 1))
        self.assertEqual(
            len(self.events(self.subscription, "subscription.upgraded")), 1
        )
        self.assertEqual(self.subscription.mrr, 1000.0)

    # ------------------------------------------------------------------
    # Pause and resume
    # ------------------------------------------------------------------
    def test_pause_with_credit_and_resume(self):
        self.bill()
        pause = self.subscription.pause(pause_mode="credit")
        self.assertEqual(self.subscription.state, "paused")
        self.assertEqual(self.subscription.mrr, 0.0)
        # 15 of 31 days were served: 241.94 of 500
        self.assertEqual(self.due(), -258.06)
        self.assertEqual(self.subscription.pause(), pause)
        self.env["saas.subscription"]._process_lifecycle(date(2026, 3, 20))
        self.assertEqual(self.subscription.state, "paused")
        with freeze_time("2026-03-26"):
            self.subscription.resume()
        self.assertEqual(self.subscription.state, "active")
        self.assertEqual(self.subscription.mrr, 500.0)
        self.assertEqual(self.due(), -161.29)
        self.assertEqual(len(self.events(self.subscription, "subscription.resumed")), 1)

    def test_pause_with_extension_moves_periods_and_term(self):
        self.bill()
        self.subscription.pause(pause_mode="extend", date_resume=date(2026, 3, 26))
        self.assertEqual(self.due(), 0.0)
        self.assertEqual(self.subscription.term_end, date(2027, 3, 11))
        self.env["saas.subscription"]._process_lifecycle(date(2026, 3, 26))
        self.assertEqual(self.subscription.state, "active")
        self.assertEqual(self.due(date(2026, 4, 11)), 0.0)
        self.assertEqual(self.due(date(2026, 4, 12)), 500.0)

    def test_pause_can_be_planned_and_overlaps_are_refused(self):
        self.subscription.pause(
            date_effective=date(2026, 5, 1), date_resume=date(2026, 6, 1)
        )
        self.assertEqual(self.subscription.state, "active")
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.subscription.pause(date_effective=date(2026, 5, 20))
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.subscription.resume()

    def test_plan_may_refuse_pauses(self):
        self.plan.pause_allowed = False
        with self.assertRaises(AmendmentError):
            self.subscription.pause()

    # ------------------------------------------------------------------
    # Cancel
    # ------------------------------------------------------------------
    def test_cancel_now_with_credit(self):
        self.bill()
        amendment = self.subscription.cancel("now", credit=True)
        self.assertEqual(self.subscription.state, "cancelled")
        self.assertEqual(self.subscription.date_end, TODAY)
        self.assertEqual(self.due(), -258.06)
        self.assertEqual(amendment.mrr_delta, -500.0)
        event = self.events(self.subscription, "subscription.cancelled")
        self.assertEqual(len(event), 1)

    def test_cancel_now_without_credit(self):
        self.bill()
        self.subscription.cancel("now", credit=False)
        self.assertEqual(self.due(), 0.0)
        self.assertEqual(self.due(date(2026, 7, 1)), 0.0)

    def test_cancel_without_credit_charges_the_begun_period(self):
        self.subscription.cancel("now", credit=False)
        self.assertEqual(self.due(date(2026, 7, 1)), 500.0)

    def test_cancel_at_the_end_of_the_term_and_undo(self):
        amendment = self.subscription.cancel()
        self.assertEqual(self.subscription.date_end, date(2027, 3, 1))
        self.assertEqual(amendment.state, "scheduled")
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.subscription.cancel("now")
        amendment.action_undo()
        self.assertFalse(self.subscription.date_end)

    def test_late_notice_takes_the_next_term(self):
        with freeze_time("2027-02-15"):
            amendment = self.subscription.cancel()
        self.assertEqual(amendment.date_effective, date(2028, 3, 1))

    def test_minimum_term(self):
        self.subscription.sudo().min_term_end = date(2026, 9, 1)
        with self.assertRaises(AmendmentError), self.env.cr.savepoint():
            self.subscription.cancel("now")
        waived = self.subscription.cancel("now", waive_minimum_term=True)
        self.assertEqual(waived.state, "to_approve")
        with self.assertRaises(AccessError):
            waived.action_approve()
        other = self.new_user(
            "sub_manager2", "saas_core.group_saas_core_subscription_manager"
        )
        waived.with_user(other).action_approve()
        self.assertEqual(waived.state, "applied")
        self.assertEqual(self.subscription.state, "cancelled")

    def test_daily_job_reaches_a_dated_cancellation(self):
        self.subscription.cancel(date_effective=date(2026, 4, 10))
        self.env["saas.subscription"]._process_lifecycle(date(2026, 4, 10))
        self.assertEqual(self.subscription.state, "cancelled")
        with self.assertRaises(TransitionError):
            self.subscription.pause()

    # ------------------------------------------------------------------
    # Renewal and trial
    # ------------------------------------------------------------------
    def test_renewal_with_uplift(self):
        amendment = self.subscription.renew(term_months=24, uplift=10)
        self.assertEqual(amendment.date_effective, date(2027, 3, 1))
        self.assertEqual(self.subscription.term_end, date(2029, 3, 1))
        self.assertEqual(self.subscription._get_mrr_on(date(2027, 2, 28)), 500.0)
        self.assertEqual(self.subscription._get_mrr_on(date(2027, 3, 1)), 550.0)

    def test_automatic_renewal_is_an_amendment(self):
        for _attempt in range(2):
            self.env["saas.subscription"]._process_lifecycle(date(2027, 3, 1))
        renewals = self.subscription.amendment_ids
        self.assertEqual(renewals.mapped("kind"), ["renewal"])
        self.assertEqual(renewals.source, "schedule")
        self.assertEqual(self.subscription.term_end, date(2028, 3, 1))

    def test_renewal_of_a_contract_that_would_end(self):
        self.plan.auto_renew = False
        subscription = self.create_subscription(
            date_start=date(2026, 3, 1),
            term_end=date(2026, 6, 1),
            date_end=date(2026, 6, 1),
        ).with_user(self.manager)
        subscription.renew(term_months=3)
        self.assertEqual(subscription.date_end, date(2026, 9, 1))
        self.env["saas.subscription"]._process_lifecycle(date(2026, 6, 1))
        self.assertEqual(subscription.state, "active")
        self.env["saas.subscription"]._process_lifecycle(date(2026, 9, 1))
        self.assertEqual(subscription.state, "expired")

    def test_trial_ends_early_and_is_extended(self):
        subscription = self.create_subscription(
            lines=[
                {
                    "product_id": self.platform.id,
                    "price_unit": 500.0,
                    "date_start": date(2026, 3, 31),
                }
            ],
            date_start=date(2026, 3, 1),
            trial_end=date(2026, 3, 31),
        ).with_user(self.manager)
        self.assertEqual(subscription.state, "trial")
        subscription.end_trial(date_effective=date(2026, 4, 10))
        self.assertEqual(subscription.line_ids.date_start, date(2026, 4, 10))
        self.assertEqual(subscription.state, "trial")
        subscription.end_trial()
        self.assertEqual(subscription.state, "active")
        self.assertEqual(subscription.anchor_date, TODAY)
        self.assertEqual(self.due(date(2026, 4, 1), subscription), 500.0)

    # ------------------------------------------------------------------
    # Approval and access
    # ------------------------------------------------------------------
    def test_large_credit_needs_approval(self):
        self.plan.approval_credit_limit = 100.0
        self.bill()
        amendment = self.subscription.cancel("now", credit=True)
        self.assertEqual(amendment.state, "to_approve")
        self.assertEqual(self.subscription.state, "active")
        amendment.action_refuse()
        self.assertEqual(amendment.state, "refused")

    def test_only_managers_amend(self):
        for user in (self.salesperson, self.auditor, self.operator):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                self.subscription.with_user(user).cancel("now")

    def test_state_is_not_written_by_hand(self):
        amendment = self.subscription.cancel(confirm=False)
        with self.assertRaises(AccessError):
            amendment.state = "applied"

    def test_confirmed_amendment_is_fixed(self):
        amendment = self.subscription.change_quantity(self.line.id, 3)
        with self.assertRaises(AmendmentError):
            amendment.date_effective = date(2026, 5, 1)
        with self.assertRaises(UserError):
            amendment.unlink()
