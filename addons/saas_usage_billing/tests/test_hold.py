# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from itertools import count

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.saas_subscription_ops.tests.common import SubscriptionCase

from ..exceptions import UsageHoldError, UsageStoreError
from .common import ROLE, TIER_TABLE, UsageFixture

MARCH = date(2026, 3, 1)
APRIL = date(2026, 4, 1)
MAY = date(2026, 5, 1)


class HoldCase(SubscriptionCase, UsageFixture):
    """A subscription with a flat fee and two metered products."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.numbers = count(1)
        cls.source = cls.env["saas.usage.source"].create(
            {"name": "Web Log", "code": "weblog", "max_age_days": 3650}
        )
        cls.calls_meter = cls.create_meter(
            "API calls", "calls", "count", company_id=False
        )
        cls.bytes_meter = cls.create_meter(
            "Traffic", "bytes", "sum", "bytes", company_id=False
        )
        cls.calls.product_tmpl_id.saas_meter_id = cls.calls_meter
        cls.traffic = cls.env["product.product"].create(
            {"name": "Traffic", "type": "service", "saas_charge_kind": "usage"}
        )
        cls.traffic.product_tmpl_id.saas_meter_id = cls.bytes_meter
        cls.create_price(tiers=TIER_TABLE)
        cls.create_price(cls.traffic, model="standard", unit_price=0.01)
        cls.subscription = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "price_unit": 500.0},
                {"product_id": cls.calls.id},
                {"product_id": cls.traffic.id},
            ],
            date_start=MARCH,
            tz="UTC",
        )
        cls.tie("client-1", cls.subscription)
        cls.success = cls.new_user("hold_success", f"{ROLE}customer_success")

    @classmethod
    def hold(cls, user=None, **vals):
        vals = {
            "subscription_id": cls.subscription.id,
            "date_from": MARCH,
            "reason": "The customer says it is too much",
            **vals,
        }
        return cls.env["saas.usage.hold"].with_user(user or cls.operator).create(vals)

    @classmethod
    def release(cls, hold, user=None):
        hold = hold.with_user(user or cls.operator)
        hold.release_note = "The counts are right"
        hold.action_release()

    def prepare(self, cutoff=APRIL, day=date(2026, 4, 1)):
        run = self.create_run(cutoff, date_invoice=day)
        run.with_user(self.operator).action_compute()
        held = run.line_ids.filtered(lambda line: line.state == "held")
        held.comment = "Checked by the test"
        held.with_user(self.operator).action_release()
        return run

    def bill_usage(self, *args):
        run = self.prepare(*args)
        return self.post(self.approve(run)) if run.line_ids else run

    def booked(self, product=None):
        """Return what is booked for a product, or per product."""
        rows = self.subscription.charge_ids.filtered(
            lambda charge: charge.line_id.product_id == (product or self.calls)
        )
        return sum(rows.mapped("quantity"))


@tagged("post_install", "-at_install")
class TestUsageHold(HoldCase):
    """Held usage waits on both sides, and nothing else does."""

    def test_held_meter_waits_and_the_rest_is_billed(self):
        self.store(620, "2026-03-10")
        hold = self.hold(meter_id=self.calls_meter.id)
        run = self.bill_usage()
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.booked(), 0)
        self.assertEqual(self.booked(self.traffic), 6200)
        self.assertTrue(self.booked(self.platform))

        # released, it is in the next run
        self.release(hold)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 620)
        self.assertFalse(self.subscription._get_unbooked_charges(APRIL))

    def test_without_a_meter_all_usage_waits(self):
        self.store(20, "2026-03-10")
        self.hold()
        self.bill_usage()
        kinds = set(self.subscription.charge_ids.mapped("kind"))
        self.assertEqual(kinds, {"recurring"})

    def test_booked_usage_is_not_corrected_while_it_is_held(self):
        self.store(620, "2026-03-10", bytes=0)
        self.bill_usage()
        hold = self.hold()
        self.store(100, "2026-03-20", bytes=0)
        self.assertFalse(self.subscription._get_unbooked_charges(APRIL))
        self.release(hold)
        (charge,) = self.subscription._get_unbooked_charges(APRIL)
        self.assertEqual((charge.kind, charge.quantity), ("adjustment", 100))

    def test_other_periods_are_billed(self):
        self.store(620, "2026-03-10", bytes=0)
        self.store(130, "2026-04-10", bytes=0)
        hold = self.hold(date_to=APRIL)
        self.bill_usage(MAY, date(2026, 5, 1))
        usage = self.subscription.charge_ids.filtered(lambda row: row.kind == "usage")
        self.assertEqual(usage.mapped("service_start"), [APRIL])
        self.release(hold)
        self.hold(date_from=APRIL)
        self.bill_usage(MAY, date(2026, 5, 2))
        self.assertEqual(self.booked(), 750)

    def test_hold_of_another_subscription_holds_nothing_here(self):
        self.store(20, "2026-03-10")
        other = self.create_subscription([{"product_id": self.calls.id}])
        self.hold(subscription_id=other.id)
        self.bill_usage()
        self.assertEqual(self.booked(), 20)

    # Approved --------------------------------------------------------
    def test_hold_after_the_approval_stops_the_line(self):
        self.store(620, "2026-03-10")
        run = self.approve(self.prepare())
        self.hold()
        self.post(run)
        self.assertEqual(run.line_ids.state, "held")
        self.assertFalse(self.subscription.charge_ids)

    def test_release_after_the_approval_is_for_the_next_run(self):
        self.store(620, "2026-03-10")
        hold = self.hold(meter_id=self.calls_meter.id)
        run = self.approve(self.prepare())
        self.release(hold)
        self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.booked(), 0)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 620)

    # Seen ------------------------------------------------------------
    def test_run_names_what_it_leaves_out(self):
        self.store(20, "2026-03-10")
        self.hold(meter_id=self.calls_meter.id, kind="dispute")
        later = self.hold(date_from=MAY)
        run = self.prepare()
        self.assertEqual(run.usage_hold_count, 1)
        action = run.action_view_usage_holds()
        found = self.env["saas.usage.hold"].search(action["domain"])
        self.assertEqual(found.meter_id, self.calls_meter)
        self.assertNotIn(later, found)
        bodies = " ".join(run.message_ids.mapped("body"))
        self.assertIn("API calls (Dispute)", bodies)
        self.assertEqual(self.subscription.usage_hold_count, 2)

    def test_events(self):
        hold = self.hold(meter_id=self.calls_meter.id)
        (held,) = self.events(hold, "usage.held")
        self.assertEqual(held.payload["meter"], "calls")
        self.assertEqual(held.account_id, self.subscription.commercial_partner_id)
        self.release(hold)
        self.release(hold)
        self.assertEqual(len(self.events(hold, "usage.released")), 1)
        self.assertEqual(hold.released_by_id, self.operator)

    def test_success_manager_is_asked_about_a_dispute(self):
        self.subscription.commercial_partner_id.saas_csm_id = self.success
        hold = self.hold(kind="dispute")
        self.assertEqual(hold.activity_ids.user_id, self.success)
        self.release(hold)
        self.assertFalse(hold.activity_ids)
        self.assertFalse(self.hold(self.success, kind="dispute").activity_ids)

    # Disputed charges -------------------------------------------------
    def test_staff_disputes_a_charge_from_its_invoice(self):
        self.store(620, "2026-03-10")
        self.bill()
        charge = self.subscription.charge_ids.filtered(
            lambda one: one.product_id == self.calls
        )
        line, move = charge.move_line_id, charge.move_id
        action = line.with_user(self.success).action_dispute_saas_usage()
        self.assertEqual(action["context"]["default_charge_id"], charge.id)
        Hold = self.env["saas.usage.hold"].with_user(self.success)
        hold = Hold.with_context(**action["context"]).create({"reason": "Too much"})
        self.assertEqual((hold.kind, hold.charge_id), ("dispute", charge))
        self.assertEqual(hold.meter_id, self.calls_meter)
        self.assertEqual((hold.date_from, hold.date_to), (MARCH, APRIL))
        for source in (line, charge):
            name = "action_dispute_saas_usage"
            if source == charge:
                name = "action_dispute_usage"
            found = getattr(source.with_user(self.success), name)()
            self.assertEqual(found["res_id"], hold.id)
        flat = move.invoice_line_ids.filtered(
            lambda one: one.product_id == self.platform
        )
        with self.assertRaisesRegex(UsageStoreError, "metered use"):
            flat.action_dispute_saas_usage()
        # What comes late waits until it is decided.
        self.store(10, "2026-03-11")
        self.assertEqual(self.get_late_products(), {"bytes"})
        hold.with_user(self.operator).release_note = "Counted twice"
        with self.assertRaisesRegex(UsageHoldError, "decision"):
            hold.with_user(self.operator).action_release()
        hold.with_user(self.operator).decision = "corrected"
        hold.with_user(self.operator).action_release()
        self.assertEqual(hold.state, "released")
        self.assertEqual(self.get_late_products(), {"bytes", "calls"})

    def get_late_products(self):
        self.env.cr.cache.clear()
        charges = self.subscription._get_unbooked_charges(APRIL)
        return {charge.details["meter"] for charge in charges}

    def test_dispute_of_a_charge_holds_all_of_it(self):
        self.store(620, "2026-03-10")
        self.bill()
        charge = self.subscription.charge_ids.filtered("has_usage")[:1]
        given = charge._prepare_dispute_vals()
        for vals in (
            {"meter_id": self.bytes_meter.id},
            {"date_from": date(2026, 3, 2)},
            {"date_to": date(2026, 3, 31)},
        ):
            with self.assertRaisesRegex(UsageHoldError, "at least all of it"):
                self.hold(**{**given, **vals})
        wider = {"meter_id": False, "date_to": False}
        self.assertTrue(self.hold(**{**given, **wider}))

    # Opened by the code ----------------------------------------------
    def test_open_hold_is_found_again(self):
        Hold = self.env["saas.usage.hold"]
        args = self.subscription, "silent", MARCH, "Nothing came since 3 March"
        scope = {"meter": self.calls_meter, "source": self.source, "date_to": APRIL}
        hold = Hold._open(*args, **scope)
        self.assertEqual(hold.date_to, APRIL)
        self.assertEqual(Hold._open(*args, **scope), hold)
        hold._release("The source sends again")
        self.assertEqual(hold.state, "released")
        self.assertNotEqual(Hold._open(*args, **scope), hold)


@tagged("post_install", "-at_install")
class TestUsageHoldAccess(HoldCase):
    """Who may hold and release, in pairs."""

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def assertForbidden(self, call, *args, error=AccessError, **kwargs):
        with self.assertRaises(error), self.env.cr.savepoint():
            call(*args, **kwargs)

    def test_success_disputes_operators_hold(self):
        self.assertEqual(self.hold(self.success).kind, "dispute")
        self.assertForbidden(self.hold, self.success, kind="manual")
        manual = self.hold()
        self.assertEqual(manual.kind, "manual")
        self.assertForbidden(manual.with_user(self.success).write, {"reason": "No"})
        manual.with_user(self.operator).reason = "Checked twice"

    def test_operators_release_success_does_not(self):
        dispute = self.hold(self.success, kind="dispute")
        self.assertForbidden(self.release, dispute, self.success)
        self.assertEqual(dispute.state, "open")
        self.release(dispute)
        self.assertEqual(dispute.state, "released")

    def test_readers_read(self):
        hold = self.hold()
        for role in ("user", "auditor"):
            reader = self.new_user(f"hold_{role}", f"{ROLE}{role}")
            self.assertTrue(hold.with_user(reader).read(["reason", "state"]))
            self.assertForbidden(self.hold, reader, kind="dispute")
            self.assertForbidden(hold.with_user(reader).write, {"reason": "No"})
            self.assertForbidden(hold.with_user(reader).action_release)
        clerk = self.new_user("hold_clerk", "base.group_user")
        self.assertForbidden(hold.with_user(clerk).read, ["reason"])
        self.assertForbidden(hold.with_user(self.operator).unlink)

    def test_kinds_of_the_code_are_not_opened_by_people(self):
        for kind in ("silent", "anomaly"):
            self.assertForbidden(self.hold, kind=kind)
        self.assertForbidden(self.hold, state="released")
        self.assertForbidden(self.hold, opened_by_id=self.success.id)

    def test_scope_stays(self):
        hold = self.hold().with_user(self.operator)
        for vals in (
            {"date_from": APRIL},
            {"meter_id": self.calls_meter.id},
            {"state": "released"},
            {"kind": "dispute"},
        ):
            self.assertForbidden(hold.write, vals, error=UsageHoldError)

    def test_release_needs_a_note(self):
        hold = self.hold().with_user(self.operator)
        self.assertForbidden(hold.action_release, error=UsageHoldError)
        hold.release_note = "  "
        self.assertForbidden(hold.action_release, error=UsageHoldError)

    @mute_logger("odoo.sql_db")
    def test_same_usage_is_held_once(self):
        self.hold()
        self.assertForbidden(self.hold, error=IntegrityError)
        self.assertTrue(self.hold(kind="dispute"))

    @mute_logger("odoo.sql_db")
    def test_a_hold_has_days(self):
        self.assertForbidden(self.hold, date_to=MARCH, error=IntegrityError)

    def test_other_companies_see_nothing(self):
        hold = self.hold()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user("hold_elsewhere", f"{ROLE}billing_operator", company)
        seen = hold.with_user(stranger).with_context(allowed_company_ids=company.ids)
        self.assertForbidden(seen.read, ["reason"])
        self.assertFalse(seen.search([]))
