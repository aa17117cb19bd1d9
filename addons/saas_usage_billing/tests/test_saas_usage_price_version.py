# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from .common import UsageCase


@tagged("post_install", "-at_install")
class TestSaasUsagePriceVersion(UsageCase):
    """What a price asks from a day on; what was invoiced keeps its price."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.price = cls.create_price(model="standard", unit_price=1)
        cls.create_price(cls.traffic, model="standard", unit_price=0)

    def proposed(self, until):
        """Return (ref, amount) of the calls, as proposed up to a day."""
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            (charge.ref, float(charge.amount))
            for charge in self.subscription._get_proposed_charges(until)
            if charge.kind == "usage" and charge.details["meter"] == "calls"
        ]

    def ref(self, day, price=None):
        return f"usage:{(price or self.price).id}:{day}"

    def due(self, until):
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            (charge.kind, float(charge.amount))
            for charge in self.subscription._get_unbooked_charges(until)
            if charge.details.get("meter") == "calls"
        ]

    def book(self, until):
        """Book what is due, as of a subscription billed elsewhere until then."""
        self.env.cr.cache.pop("saas_usage_billing", None)
        self.subscription._book_history(until, "elsewhere")

    def create_version(self, start, **vals):
        action = self.price.action_new_version(start)
        version = self.env["saas.usage.price"].browse(action["res_id"])
        version.write(vals)
        return version

    def test_first_version_is_its_own_root(self):
        self.assertEqual(self.price.root_id, self.price)
        self.assertEqual(
            (self.price.version_number, self.price.state), (1, "published")
        )

    def test_draft_bills_nothing_until_published(self):
        self.store(3, "2026-03-10")
        self.store(3, "2026-04-08")
        self.price.tier_ids = [Command.create({"up_to": 0, "unit_price": 7})]
        draft = self.create_version(date(2026, 4, 1), unit_price=2)
        self.assertEqual(draft.tier_ids.unit_price, 7)
        self.assertEqual((draft.state, draft.version_number), ("draft", 2))
        march, april = self.ref("2026-03-01"), self.ref("2026-04-01")
        self.assertEqual(self.proposed(date(2026, 5, 1)), [(march, 3), (april, 3)])
        draft.action_publish()
        self.assertEqual(self.price.date_end, date(2026, 4, 1))
        self.assertEqual(self.proposed(date(2026, 5, 1)), [(march, 3), (april, 6)])
        with self.assertRaisesRegex(UserError, "published already"):
            draft.action_publish()

    @freeze_time("2026-03-15")
    def test_new_version_begins_next_month(self):
        action = self.price.action_new_version()
        draft = self.env["saas.usage.price"].browse(action["res_id"])
        self.assertEqual(draft.date_start, date(2026, 4, 1))
        with self.assertRaisesRegex(UserError, "draft already"):
            draft.action_new_version()
        self.assertEqual(self.price.version_count, 2)
        found = self.env["saas.usage.price"].search(
            self.price.action_view_versions()["domain"]
        )
        self.assertEqual(found, self.price + draft)

    def test_backdated_version_corrects_under_the_same_reference(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        draft = self.create_version(date(2026, 3, 1), unit_price=2)
        with self.assertRaisesRegex(UserError, "1 periods that were invoiced"):
            draft.action_publish()
        with Form(draft) as form:
            self.assertEqual(form.corrected_count, 1)
            form.date_start = date(2026, 4, 1)
            self.assertEqual(form.corrected_count, 0)
            form.date_start = date(2026, 3, 1)
            form.correction_reason = "Agreed in February"
        draft.action_publish()
        self.assertIn("Agreed in February", draft.message_ids[0].body)
        self.assertEqual(self.due(date(2026, 4, 1)), [("adjustment", 3)])

    def test_prices_that_take_over_from_others_need_a_reason(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        own = {"model": "standard", "unit_price": 5, "date_start": date(2026, 4, 1)}
        agreed = self.create_price(subscription_id=self.subscription.id, **own)
        self.assertFalse(agreed.corrected_count)
        # A price of its own, for the plan, that begins in invoiced periods
        plans = self.create_price(plan_id=self.plan.id, **own)
        draft = plans.browse(plans.action_new_version()["res_id"])
        draft.date_start = date(2026, 3, 1)
        draft.date_end = date(2026, 4, 1)
        with self.assertRaisesRegex(UserError, "Reason of the Correction"):
            draft.action_publish()
        draft.correction_reason = "Plan was agreed"
        draft.action_publish()
        self.book(date(2026, 4, 1))
        # what is agreed closer is not taken over, what was reversed neither
        listed = self.create_version(date(2026, 3, 1))
        self.assertEqual((draft.booked_count, listed.corrected_count), (1, 0))
        draft.invalidate_recordset()
        self.assertFalse(draft.corrected_count)

    def test_prices_that_are_published_at_once_need_a_reason(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        own = {
            "subscription_id": self.subscription.id,
            "model": "standard",
            "unit_price": 5,
        }
        march = {"date_start": date(2026, 3, 1), "date_end": date(2026, 4, 1)}
        with self.assertRaises(UserError) as caught:
            self.create_price(**own, **march)
        self.assertIn("Reason of the Correction", caught.exception.args[0])
        with self.assertRaises(UserError):
            self.create_price(**own, **march, correction_reason=" ")
        agreed = self.create_price(**own, **march, correction_reason="Agreed")
        self.assertIn("1 periods", agreed.message_ids[0].body)
        self.assertIn("Agreed", agreed.message_ids[0].body)
        self.assertEqual(self.due(date(2026, 4, 1)), [("usage", 15)])

    def test_prices_that_are_moved_into_invoiced_periods_need_a_reason(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        own = {"model": "standard", "unit_price": 5}
        later = self.create_price(
            subscription_id=self.subscription.id, date_start=date(2026, 4, 1), **own
        )
        archived = self.create_price(plan_id=self.plan.id, active=False, **own)
        for price, vals in (
            (later, {"date_start": date(2026, 3, 1)}),
            (archived, {"active": True}),
        ):
            with self.assertRaises(UserError) as caught:
                price.write(vals)
            self.assertIn("Reason of the Correction", caught.exception.args[0])
            price.write({**vals, "correction_reason": "Agreed"})
            self.assertIn("1 periods", price.message_ids[0].body)
        # What reaches no more than before needs none.
        later.date_end = date(2027, 1, 1)
        later.date_start = date(2026, 4, 1)

    def test_prices_come_back_for_what_they_were_invoiced_with(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        self.price.active = False
        self.assertFalse(self.price.corrected_count)
        self.price.active = True
        self.assertFalse(self.due(date(2026, 4, 1)))

    def test_prices_are_imported_with_a_reason(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        names = ["product_tmpl_id/.id", "company_id/.id", "plan_id/.id", "unit_price"]
        row = [
            *(self.calls.product_tmpl_id.id, self.company.id, self.plan.id),
            "5",
        ]
        prices = self.env["saas.usage.price"]
        result = prices.load(names, [[str(value) for value in row]])
        self.assertFalse(result["ids"])
        self.assertIn("Reason of the Correction", result["messages"][0]["message"])
        result = prices.load(
            [*names, "correction_reason"], [[*map(str, row), "New price list"]]
        )
        self.assertEqual(prices.browse(result["ids"]).corrected_count, 1)

    def test_version_with_the_same_first_day_is_refused(self):
        draft = self.create_version(date(2026, 4, 1))
        draft.date_start = self.price.date_start
        with self.assertRaisesRegex(UserError, "begin later"):
            draft.action_publish()

    def test_version_of_another_scope_is_refused(self):
        draft = self.create_version(date(2026, 4, 1))
        for version in (draft, self.price):
            with self.assertRaises(ValidationError) as caught:
                version.plan_id = self.plan
            self.assertIn("Make a new price", caught.exception.args[0])

    def test_two_versions_at_a_time_are_refused(self):
        self.create_version(date(2026, 6, 1)).action_publish()
        earlier = self.create_version(date(2026, 4, 1))
        self.assertEqual(earlier.date_end, date(2026, 6, 1))
        earlier.date_end = False
        with self.assertRaises(ValidationError):
            earlier.action_publish()
        earlier.date_end = date(2026, 6, 1)
        earlier.action_publish()
        self.assertEqual(self.price.date_end, date(2026, 4, 1))

    def test_archived_price_goes_on_for_what_it_was_invoiced_for(self):
        self.store(3, "2026-03-10")
        self.store(3, "2026-04-08")
        self.book(date(2026, 4, 1))
        self.price.active = False
        self.assertFalse(self.due(date(2026, 4, 1)))
        # Late usage is charged at the price of its period.
        self.store(2, "2026-03-20")
        self.assertEqual(self.due(date(2026, 4, 1)), [("adjustment", 2)])
        with self.assertRaisesRegex(UserError, "no usage price"):
            self.proposed(date(2026, 5, 1))
        # The price that follows does not reach back.
        other = self.create_price(model="standard", unit_price=5)
        self.assertEqual(
            self.proposed(date(2026, 5, 1)),
            [(self.ref("2026-03-01"), 5), (self.ref("2026-04-01", other), 15)],
        )

    def test_archived_version_is_corrected_by_another_of_the_same_price(self):
        self.store(3, "2026-03-10")
        self.book(date(2026, 4, 1))
        version = self.create_version(date(2026, 3, 1), unit_price=2)
        version.correction_reason = "Agreed"
        version.action_publish()
        self.price.active = False
        self.assertEqual(self.due(date(2026, 4, 1)), [("adjustment", 3)])
        self.book(date(2026, 4, 1))
        self.assertFalse(self.due(date(2026, 4, 1)))

    def test_invoiced_price_changes_with_a_reason_only(self):
        self.store(3, "2026-03-10")
        self.price.unit_price = 1.5
        self.book(date(2026, 4, 1))
        self.assertEqual(self.price.booked_count, 1)
        with self.assertRaises(UserError) as caught:
            self.price.unit_price = 2
        self.assertIn("1 invoiced periods", caught.exception.args[0])
        with Form(self.price) as form:
            form.unit_price = 2
            form.change_reason = "Typing error"
        self.assertEqual(self.price.unit_price, 2)
        self.assertIn("Typing error", self.price.message_ids[0].body)
        self.assertEqual(self.due(date(2026, 4, 1)), [("adjustment", 1.5)])
        with self.assertRaisesRegex(UserError, "Archive it"):
            self.price.unlink()

    def test_versions_are_made_by_billing_operators(self):
        operator = self.new_user("vop", "billing_operator")
        auditor = self.new_user("vau", "auditor")
        with self.assertRaises(AccessError):
            self.price.with_user(auditor).action_new_version(date(2026, 4, 1))
        action = self.price.with_user(operator).action_new_version(date(2026, 4, 1))
        draft = self.env["saas.usage.price"].browse(action["res_id"])
        with self.assertRaises(AccessError):
            draft.with_user(auditor).action_publish()
        with self.assertRaisesRegex(UserError, "several versions"):
            self.price.with_user(operator).unlink()
        draft.with_user(operator).action_publish()
        self.assertEqual(draft.state, "published")
