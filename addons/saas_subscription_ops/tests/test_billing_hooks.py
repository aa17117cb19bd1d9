# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace
from datetime import date
from decimal import Decimal

from odoo.tests import tagged
from odoo.tools import SQL

from ..engine.ledger import ProposedCharge
from ..models.saas_subscription_billing import to_stored
from .common import SubscriptionCase

LARGE = Decimal("12345678901.123456")


@tagged("post_install", "-at_install")
class TestBillingHooks(SubscriptionCase):
    """What another source of charges, for example usage, can say about them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # With a usage line no run thinks that it is settled.
        cls.subscription = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "price_unit": 500.0},
                {"product_id": cls.calls.id},
            ]
        )
        cls.metered = cls.create_charge()

    @classmethod
    def create_charge(cls, **vals):
        """Return a proposed charge of another source."""
        charge = ProposedCharge(
            ref="usage:1:2026-03-02",
            kind="usage",
            line_id=cls.subscription.line_ids[0].id,
            service_start=date(2026, 3, 2),
            service_end=date(2026, 3, 31),
            quantity=Decimal(10),
            amount=Decimal("7.00"),
            timing="arrears",
            description="API calls",
        )
        return replace(charge, **vals)

    def propose(self, *charges):
        """Add charges to the proposal until the test ends, or the next call."""
        Subscription = type(self.env["saas.subscription"])
        propose = self.propose_original
        self.patch(
            Subscription,
            "_get_proposed_charges",
            lambda record, cutoff: [*propose(record, cutoff), *charges],
        )

    def setUp(self):
        super().setUp()
        Subscription = type(self.env["saas.subscription"])
        self.propose_original = Subscription._get_proposed_charges

    def hold(self, *refs):
        Subscription = type(self.env["saas.subscription"])
        self.patch(Subscription, "_get_held_refs", lambda *_args: set(refs))

    def due(self, cutoff=date(2026, 4, 1)):
        return {
            charge.ref: charge
            for charge in self.subscription._get_unbooked_charges(cutoff)
        }

    # Held ------------------------------------------------------------
    def test_held_charge_waits_and_the_rest_goes_out(self):
        self.propose(self.metered)
        self.hold(self.metered.ref)
        run = self.bill()
        self.assertEqual(run.line_ids.state, "posted")
        self.assertNotIn(self.metered.ref, self.subscription.charge_ids.mapped("ref"))
        self.hold()
        self.assertEqual(list(self.due()), [self.metered.ref])

    def test_held_charge_is_not_taken_back(self):
        self.propose(self.metered)
        self.bill()
        self.propose()
        self.assertEqual(self.due()[self.metered.ref].amount, -7)
        self.hold(self.metered.ref)
        self.assertFalse(self.due())

    def test_hook_sees_the_proposal_and_the_ledger(self):
        self.propose(self.metered)
        self.bill()
        seen = []

        def hook(record, proposed, booked, cutoff):
            seen.append(({row.ref for row in proposed}, {row.ref for row in booked}))
            return set()

        self.patch(type(self.env["saas.subscription"]), "_get_held_refs", hook)
        self.assertFalse(self.due())
        [(proposed, booked)] = seen
        self.assertEqual(proposed, booked)
        self.assertIn(self.metered.ref, proposed)

    # Due -------------------------------------------------------------
    def test_what_a_line_bills_is_one_hook_for_preview_and_posting(self):
        self.propose(self.metered)
        Line = type(self.env["saas.billing.run.line"])
        bills = Line._get_due_charges

        def only_usage(line, subscription):
            return [row for row in bills(line, subscription) if row.kind == "usage"]

        self.patch(Line, "_get_due_charges", only_usage)
        run = self.bill()
        self.assertEqual(run.line_ids.state, "posted")
        self.assertEqual(self.subscription.charge_ids.mapped("kind"), ["usage"])

    def test_runs_that_say_nothing_of_what_is_usual(self):
        self.bill()
        line = self.create_run(date(2026, 5, 1)).sudo()
        line.action_compute()
        line = line.line_ids
        self.assertEqual(len(line._get_facts()[line].history), 1)
        Line = type(self.env["saas.billing.run.line"])
        self.patch(Line, "_get_comparable", lambda _line: SQL("FALSE"))
        self.assertFalse(line._get_facts()[line].history)

    # Quantities ------------------------------------------------------
    def test_large_quantity_is_booked_once(self):
        quantities = LARGE, Decimal("409574810763.834637"), Decimal(10**15 + 7)
        self.propose(
            *(
                self.create_charge(ref=f"usage:{quantity}", quantity=quantity)
                for quantity in quantities
            )
        )
        self.assertEqual(self.bill().line_ids.state, "posted")
        self.env.invalidate_all()
        self.assertFalse(self.due())

    def test_large_correction_is_booked_once(self):
        self.propose(self.create_charge(quantity=Decimal("1.123456")))
        self.bill()
        self.propose(self.create_charge(quantity=LARGE, amount=Decimal(8)))
        run = self.bill()
        self.assertEqual(run.line_ids.state, "posted")
        self.env.invalidate_all()
        self.assertFalse(self.due())

    def test_stored_quantity_is_kept_by_a_number_field(self):
        field = self.env["saas.charge"]._fields["quantity"]
        for number in range(1, 20):
            quantity = to_stored(Decimal("0.123456") + Decimal(10) ** number / 3)
            text = field.convert_to_column(float(quantity), self.env["saas.charge"])
            self.assertEqual(to_stored(Decimal(text)), quantity)

    # Credits ---------------------------------------------------------
    def create_credit(self, **vals):
        return self.create_charge(
            ref="voucher:1:usage:1:2026-03-02",
            kind="credit",
            amount=Decimal("-5.00"),
            **vals,
        )

    def agree(self):
        self.patch(
            type(self.env["saas.subscription"]),
            "_is_agreed_credit",
            lambda record, charge: charge.ref.startswith("voucher:"),
        )

    def test_credit_of_another_source_is_booked_as_what_it_reduces(self):
        self.agree()
        self.propose(self.metered, self.create_credit(details={"adjusts": "usage"}))
        self.bill()
        credit = self.subscription.charge_ids.filtered(lambda c: c.kind == "credit")
        self.assertEqual(credit.base_kind, "usage")
        self.assertIn("API calls", credit.move_line_id.name)
        self.propose(self.metered)
        [back] = self.due().values()
        self.assertEqual(back.details["adjusts"], "usage")
        # Like the usage it belongs to, it is due at the end of its service.
        self.assertFalse(self.due(date(2026, 3, 30)))

    def test_credit_says_what_it_is(self):
        Subscription = type(self.env["saas.subscription"])
        self.patch(
            Subscription,
            "_get_credit_label",
            lambda record, charge: f"Prepaid {charge.details['voucher']}",
        )
        details = {"adjusts": "usage", "voucher": "W1"}
        self.propose(self.metered, self.create_credit(details=details))
        run = self.create_run()
        run.action_compute()
        credit = run.line_ids.charge_ids.filtered(lambda c: c.kind == "credit")
        self.assertIn("Prepaid W1", credit.name)
        self.assertEqual(credit.reason, "Prepaid W1.")

    def test_agreed_credit_holds_no_line(self):
        large = self.create_credit(details={"adjusts": "usage"})
        large = replace(large, amount=Decimal(-400))
        self.propose(self.create_charge(amount=Decimal(400)), large)
        run = self.create_run()
        run.action_compute()
        self.assertEqual(run.line_ids.state, "held")
        self.assertIn("Credits of", run.line_ids.check_results)
        self.agree()
        run.line_ids.with_user(self.operator).action_recompute()
        self.assertEqual(run.line_ids.state, "ok")

    # Settled ---------------------------------------------------------
    def test_source_can_say_that_nothing_is_settled(self):
        settled = self.create_subscription()
        self.bill()
        self.assertNotIn(settled.id, self.find())
        Mark = type(self.env["saas.billing.mark"])
        self.patch(Mark, "_filter_settled", lambda _self, ids: set())
        self.assertIn(settled.id, self.find())

    def find(self):
        return self.create_run()._find_subscription_ids()
