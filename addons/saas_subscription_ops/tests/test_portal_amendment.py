# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import re
from datetime import timedelta

from odoo import Command, fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestPortalAmendment(SubscriptionCase, HttpCase):
    """What customers may ask for, and that they reach nothing of others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env["saas.plan"])
        cls.start = cls.today - timedelta(days=10)
        cls.direct = cls.create_plan(
            name="Direct", portal_change="direct", portal_cancel="direct"
        )
        other = cls.env["res.partner"].create({"name": "Globex", "is_company": True})
        for login, parent in (("portal_buyer", cls.partner), ("portal_other", other)):
            contact = cls.env["res.partner"].create(
                {"name": login, "parent_id": parent.id, "email": f"{login}@example.com"}
            )
            new_test_user(
                cls.env,
                login=login,
                groups="base.group_portal",
                partner_id=contact.id,
                company_id=cls.company.id,
                company_ids=[Command.set(cls.company.ids)],
            )
        cls.subscription = cls._create(plan_id=cls.direct.id)
        cls.asked = cls._create()
        cls.foreign = cls._create(partner_id=other.id, plan_id=cls.direct.id)
        cls.price = cls.env.ref("saas_subscription_ops.saas_cancel_reason_price")

    @classmethod
    def _create(cls, **vals):
        return cls.create_subscription(
            [{"product_id": cls.platform.id, "price_unit": 500.0, "quantity": 2.0}],
            date_start=cls.start,
            term_end=fields.Date.add(cls.start, months=12),
            **vals,
        )

    def setUp(self):
        super().setUp()
        self.authenticate("portal_buyer", "portal_buyer")

    def url(self, subscription, action=""):
        return f"/my/subscriptions/{subscription.id}{action}"

    def send(self, subscription, action, token=True, **data):
        """Post a form as the browser does, with the token of its page."""
        if token:
            page = self.url_open(self.url(subscription, f"/{action.split('/')[0]}"))
            found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
            if not found:
                page = self.url_open(self.url(self.subscription, "/change"))
                found = re.search(r'csrf_token: "([^"]+)"', page.text)
            data["csrf_token"] = found.group(1)
        response = self.url_open(self.url(subscription, f"/{action}"), data=data)
        self.env.invalidate_all()
        return response

    def change(self, subscription, quantity, **data):
        line = subscription.line_ids[0]
        data = {"step": "confirm", "changed": "1", "effective": "now", **data}
        return self.send(
            subscription, "change", **{f"quantity_{line.id}": quantity}, **data
        )

    def cancel(self, subscription, **data):
        data = {"step": "confirm", "reason_id": self.price.id, **data}
        return self.send(subscription, "cancel", **data)

    # ------------------------------------------------------------------
    # Change
    # ------------------------------------------------------------------
    def test_preview_writes_nothing(self):
        page = self.change(self.subscription, "5", step="preview")
        self.assertIn("o_saas_effect", page.text)
        self.assertFalse(self.subscription.amendment_ids)

    def test_direct_change_happens_once(self):
        for _click in range(2):
            page = self.change(self.subscription, "5")
            self.assertIn("o_saas_done", page.text)
        amendment = self.subscription.amendment_ids
        self.assertEqual((len(amendment), amendment.state), (1, "applied"))
        self.assertEqual(amendment.source, "portal")
        self.assertEqual(amendment.requested_by_id.login, "portal_buyer")
        self.assertEqual(self.subscription.mrr, 2500.0)

    def test_less_waits_for_the_next_period_and_is_taken_back(self):
        for _click in range(2):
            self.change(self.subscription, "1")
        amendment = self.subscription.amendment_ids
        self.assertEqual((len(amendment), amendment.state), (1, "scheduled"))
        self.assertGreater(amendment.date_effective, self.today)
        page = self.send(self.subscription, f"undo/{amendment.id}", token=True)
        self.assertIn("o_saas_done", page.text)
        self.assertEqual(amendment.state, "undone")

    def test_request_waits_for_staff(self):
        for _click in range(2):
            page = self.change(self.asked, "5")
            self.assertIn("o_saas_done", page.text)
        amendment = self.asked.amendment_ids
        self.assertEqual((len(amendment), amendment.state), (1, "draft"))
        self.assertEqual(amendment.activity_ids.user_id, self.csm)
        self.assertTrue(self.events(amendment, "amendment.requested"))
        # Another request has to wait until this one is answered or taken back.
        page = self.change(self.asked, "7")
        self.assertIn("o_saas_error", page.text)
        self.assertEqual(self.asked.amendment_ids, amendment)
        amendment.with_user(self.manager).action_confirm()
        self.assertEqual(self.asked.mrr, 2500.0)

    def test_bad_input_is_explained(self):
        for text in (
            "many",
            "0",
            "-3",
            "nan",
            "inf",
            "1e400",
            "",
            "0.01",
            "0.001",
            "1.5",
        ):
            with self.subTest(text=text):
                page = self.change(self.subscription, text)
                self.assertEqual(page.status_code, 200)
                self.assertIn("o_saas_error", page.text)
        self.assertFalse(self.subscription.amendment_ids)

    def test_less_waits_for_the_paid_period_of_the_line(self):
        subscription = self.create_subscription(
            [
                {
                    "product_id": self.platform.id,
                    "price_unit": 120.0,
                    "quantity": 10.0,
                    "recurrence_unit": "year",
                    "recurrence_count": 1,
                },
                {"product_id": self.platform.id, "price_unit": 5.0, "quantity": 3.0},
            ],
            date_start=self.start,
            plan_id=self.direct.id,
        )
        yearly, monthly = subscription.line_ids
        for line, delay in ((yearly, {"years": 1}), (monthly, {"months": 1})):
            day = fields.Date.add(self.start, **delay)
            with self.subTest(line=line.recurrence_unit):
                self.assertEqual(
                    subscription._get_next_line_boundary(line, self.today), day
                )
        self.change(subscription, "1", **{f"quantity_{monthly.id}": "2"})
        amendment = subscription.amendment_ids
        self.assertEqual(amendment.state, "scheduled")
        self.assertEqual(amendment.date_effective, fields.Date.add(self.start, years=1))

    def test_less_before_the_end_of_the_minimum_term_is_asked_for(self):
        minimum = fields.Date.add(self.start, months=6)
        more = self._create(plan_id=self.direct.id)
        (self.subscription | more).write({"min_term_end": minimum})
        self.change(more, "3")
        self.assertEqual(more.amendment_ids.state, "applied")
        page = self.change(self.subscription, "1", step="preview")
        self.assertIn("Ask for it", page.text)
        page = self.change(self.subscription, "1")
        self.assertIn("o_saas_done", page.text)
        asked = self.subscription.amendment_ids
        self.assertEqual((asked.state, asked.line_ids.quantity), ("draft", 1.0))
        self.assertEqual(self.subscription.line_ids.quantity, 2.0)
        # From the minimum term on it is the customer's own decision again.
        asked._withdraw()
        self.subscription.min_term_end = fields.Date.add(self.start, months=1)
        page = self.change(self.subscription, "1", step="preview")
        self.assertIn("Change it", page.text)
        self.change(self.subscription, "1")
        self.assertIn("scheduled", self.subscription.amendment_ids.mapped("state"))

    def test_not_offered(self):
        self.direct.write({"portal_change": "none", "portal_cancel": "none"})
        page = self.url_open(self.url(self.subscription))
        self.assertNotIn("o_saas_change", page.text)
        page = self.url_open(self.url(self.subscription, "/change"))
        self.assertNotIn("o_saas_change_form", page.text)

    def test_page_without_token_is_refused(self):
        line = self.subscription.line_ids
        with self.assertLogs("odoo.http", "WARNING"):
            response = self.send(
                self.subscription,
                "change",
                token=False,
                **{f"quantity_{line.id}": "9", "step": "confirm"},
            )
        self.assertEqual(response.status_code, 400)
        self.assertFalse(self.subscription.amendment_ids)

    def test_undo_only_by_post(self):
        self.change(self.subscription, "1")
        amendment = self.subscription.amendment_ids
        response = self.url_open(self.url(self.subscription, f"/undo/{amendment.id}"))
        self.assertIn(response.status_code, (404, 405))
        self.assertEqual(amendment.state, "scheduled")

    # ------------------------------------------------------------------
    # Cancel
    # ------------------------------------------------------------------
    def test_direct_cancellation_at_the_term_end_once(self):
        for _click in range(2):
            page = self.cancel(self.subscription, note="Too much for us")
            self.assertIn("o_saas_done", page.text)
        amendment = self.subscription.amendment_ids
        self.assertEqual((len(amendment), amendment.kind), (1, "cancel"))
        self.assertEqual(amendment.date_effective, self.subscription.term_end)
        self.assertEqual(amendment.reason_id, self.price)
        self.assertEqual(amendment.reason, "Too much for us")
        page = self.send(self.subscription, f"undo/{amendment.id}")
        self.assertFalse(self.subscription.date_end)

    def test_cancellation_waits_for_the_minimum_term(self):
        plan = self.create_plan(
            name="Monthly", term_months=1, notice_days=5, portal_cancel="direct"
        )
        subscription = self._create(plan_id=plan.id)
        subscription.write(
            {
                "term_end": fields.Date.add(self.start, months=1),
                "min_term_end": fields.Date.add(self.start, months=3),
            }
        )
        self.cancel(subscription)
        self.assertEqual(
            subscription.amendment_ids.date_effective,
            fields.Date.add(self.start, months=3),
        )

    def test_reason_is_needed_and_of_the_portal(self):
        hidden = self.env.ref("saas_subscription_ops.saas_cancel_reason_payment")
        for reason in ("", "abc", "999999", str(hidden.id)):
            with self.subTest(reason=reason):
                page = self.cancel(self.subscription, reason_id=reason)
                self.assertIn("o_saas_error", page.text)
        self.assertFalse(self.subscription.amendment_ids)

    # ------------------------------------------------------------------
    # Others
    # ------------------------------------------------------------------
    def test_others_are_out_of_reach(self):
        foreign = self.foreign
        staff = foreign.with_user(self.manager).cancel()
        before = foreign.amendment_ids
        self.foreign._portal_ensure_token()
        for action in ("", "/change", "/cancel", f"/change?access_token={0}"):
            page = self.url_open(self.url(foreign, action))
            self.assertNotIn(foreign.name, page.text)
        line = foreign.line_ids
        for action, data in (
            ("change", {f"quantity_{line.id}": "9", "step": "confirm"}),
            ("cancel", {"reason_id": self.price.id, "step": "confirm"}),
            (f"undo/{staff.id}", {}),
        ):
            page = self.send(foreign, action, **data)
            self.assertNotIn(foreign.name, page.text)
        # A line or an amendment of somebody else, sent with an own subscription.
        page = self.send(
            self.subscription,
            "change",
            **{f"quantity_{line.id}": "9", "step": "confirm"},
        )
        self.assertIn("o_saas_error", page.text)
        page = self.send(self.subscription, f"undo/{staff.id}")
        self.assertIn("o_saas_error", page.text)
        self.assertEqual(foreign.amendment_ids, before)
        self.assertEqual(staff.state, "scheduled")
        self.assertFalse(self.subscription.amendment_ids)

    def test_token_shows_but_does_not_change(self):
        token = self.foreign._portal_ensure_token()
        page = self.url_open(self.url(self.foreign, f"?access_token={token}"))
        self.assertIn(self.foreign.name, page.text)
        self.assertNotIn("o_saas_cancel", page.text)
        self.assertNotIn("o_saas_invoices", page.text)
        page = self.url_open(self.url(self.foreign, f"/cancel?access_token={token}"))
        self.assertNotIn("o_saas_cancel_form", page.text)
        page = self.url_open(self.url(self.foreign, "?access_token=guess"))
        self.assertNotIn(self.foreign.name, page.text)

    def test_change_of_staff_is_not_taken_back(self):
        amendment = self.subscription.with_user(self.manager).cancel()
        page = self.send(self.subscription, f"undo/{amendment.id}")
        self.assertIn("o_saas_error", page.text)
        self.assertEqual(amendment.state, "scheduled")

    def test_list_filters_and_sorts(self):
        for query in ("", "?filterby=ended", "?filterby=nonsense&sortby=nonsense"):
            page = self.url_open(f"/my/subscriptions{query}")
            self.assertEqual(page.status_code, 200)
            shown = self.subscription.name in page.text
            self.assertEqual(shown, "ended" not in query)

    def test_invoices_and_renewal_offer_are_linked(self):
        self.bill(cutoff=self.today, date_invoice=self.today)
        quote = self.env["sale.order"].browse(
            self.subscription.with_user(self.manager)
            .sudo()
            .action_quote_renewal()["res_id"]
        )
        quote.action_quotation_sent()
        page = self.url_open(self.url(self.subscription))
        invoice = self.subscription.charge_ids.move_id
        self.assertIn(invoice.name, page.text)
        self.assertIn(quote.name, page.text)
        self.assertNotIn(self.foreign.charge_ids.move_id.name, page.text)
