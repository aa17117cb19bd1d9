# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import freeze_time, new_test_user, tagged

from .test_hold import APRIL
from .test_wallet_billing import JUNE, WalletBillingCase

NOW = datetime(2026, 4, 10, 12, tzinfo=timezone.utc)
SENDER = "saas_core.group_saas_core_integration"


@tagged("post_install", "-at_install")
class TestWalletLive(WalletBillingCase):
    """Usage counts against the wallet before it is billed."""

    def live(self, wallet=None, now=NOW):
        wallet = wallet or self.wallet
        wallet.invalidate_recordset()
        return float(wallet._get_live_balances(now)[wallet.id])

    def test_unbilled_usage_counts_once(self):
        self.grant(self.wallet, 200)
        self.assertAlmostEqual(self.live(), 200)
        self.use()
        self.assertAlmostEqual(self.live(), 115.60)
        # usage of the running month: 1.50 and 13.00
        self.use("2026-04-05", 130)
        self.assertAlmostEqual(self.live(), 101.10)
        run = self.prepare()
        self.assertAlmostEqual(self.wallet.reserved, 84.40)
        self.assertAlmostEqual(self.live(), 101.10)
        self.post(self.approve(run))
        self.assertAlmostEqual(self.wallet.balance, 115.60)
        self.assertAlmostEqual(self.live(), 101.10)

    def test_below_zero_when_more_is_used_than_is_there(self):
        self.grant(self.wallet, 10)
        self.use("2026-04-05", 130)
        self.assertAlmostEqual(self.live(), -4.50)

    def test_what_no_grant_covers_will_be_invoiced(self):
        self.grant(self.wallet, 50)
        self.use()
        self.assertAlmostEqual(self.live(), 0)
        self.prepare()
        self.assertAlmostEqual(self.live(), 0)

    def test_usage_out_of_scope_does_not_count(self):
        self.wallet.product_ids = self.calls
        self.grant(self.wallet, 50)
        self.use()
        self.assertAlmostEqual(self.live(), 50 - 22.40)

    def test_usage_of_a_time_no_grant_is_for_does_not_count(self):
        self.grant(self.wallet, 50, date_start=APRIL)
        self.use()
        self.use("2026-04-05", 130)
        self.assertAlmostEqual(self.live(), 50 - 14.50)

    def test_several_wallets_bear_it_in_their_order(self):
        first = self.create_wallet(name="First", priority=1)
        self.grant(first, 10)
        self.grant(self.wallet, 3)
        self.use("2026-04-05", 130)
        self.assertAlmostEqual(self.live(first), 0)
        self.assertAlmostEqual(self.live(), 3 - 4.50)

    def test_usage_without_a_price_does_not_break_the_figure(self):
        self.env["saas.usage.price"].search([]).sudo().active = False
        self.grant(self.wallet, 50)
        self.use()
        self.assertAlmostEqual(self.live(), 50)

    # Over HTTP -------------------------------------------------------
    def test_answers_tell_the_credit(self):
        self.grant(self.wallet, 50, date_expiry=JUNE)
        self.grant(self.wallet, 20, date_expiry=date(2026, 5, 1))
        self.use("2026-04-05", 130)
        wanted = {
            "name": self.wallet.name,
            "currency": "EUR",
            "balance": "70.00",
            "live_balance": "55.50",
            "expires_on": "2026-05-01",
            "expiring": "20.00",
        }
        with freeze_time(NOW):
            sender = new_test_user(self.env, "wallet_sender", groups=SENDER)
            asked = self.subscription.with_user(sender)
            answer = asked._get_current_usage_answer()
            self.assertEqual(answer["wallets"], [wanted])
            answer = asked._get_current_usage_answer(wallets=False)
            self.assertEqual(answer["wallets"], [])
            ask = asked.browse()._get_entitlement_answer
            self.assertEqual(ask("client-1", wallets=True)["wallets"], [wanted])
            self.assertNotIn("wallets", ask("client-1"))

    def test_answers_tell_the_credit_of_the_account_only(self):
        self.grant(self.wallet, 50)
        dollars = self.env.ref("base.USD")
        dollars.active = True
        closed = self.create_wallet(name="Closed")
        closed.action_close()
        other = self.create_wallet(name="Dollars", currency_id=dollars.id)
        theirs = self.create_wallet(
            name="Theirs", partner_id=self.create_partner("Globex").id
        )
        self.grant(theirs, 7)
        answer = self.subscription._get_current_usage_answer()
        self.assertEqual([one["name"] for one in answer["wallets"]], [self.wallet.name])
        self.assertIsNone(answer["wallets"][0]["expires_on"])
        answer = self.subscription._get_entitlement_answer("client-1", wallets=True)
        names = {one["name"] for one in answer["wallets"]}
        self.assertEqual(names, {self.wallet.name, other.name})

    # Low -------------------------------------------------------------
    def check(self):
        self.wallet._check_low(NOW)
        return len(self.events(self.wallet, "wallet.threshold_reached"))

    def test_low_is_told_once_per_filling(self):
        self.wallet.low_balance = 100
        self.grant(self.wallet, 150)
        self.assertEqual(self.check(), 0)
        self.use()
        self.assertEqual([self.check(), self.check()], [1, 1])
        self.assertTrue(self.wallet.is_low)
        activity = self.wallet.activity_ids
        self.assertEqual(activity.user_id, self.csm)
        event = self.events(self.wallet, "wallet.threshold_reached")
        self.assertEqual(event.payload["live_balance"], "65.60")

        # filled up enough, then used again
        self.grant(self.wallet, 100)
        self.assertEqual(self.check(), 1)
        self.assertFalse(self.wallet.is_low)
        self.store(1, "2026-04-02", bytes=10000)
        self.assertEqual(self.check(), 2)

    def test_wallet_that_was_not_watched_is_told_of_again(self):
        self.wallet.low_balance = 100
        self.assertEqual(self.check(), 1)
        operator = self.new_user(
            "low_operator", "saas_core.group_saas_core_billing_operator"
        )
        self.wallet.with_user(operator).low_balance = 0
        self.assertFalse(self.wallet.is_low)
        self.wallet.with_user(operator).low_balance = 50
        self.assertEqual([self.check(), self.check()], [2, 2])
        self.wallet.with_user(operator).action_close()
        self.assertFalse(self.wallet.is_low)
        self.wallet.with_user(operator).action_reopen()
        self.assertEqual(self.check(), 3)
        # a higher limit of a wallet that is low already tells nothing new
        self.wallet.with_user(operator).low_balance = 60
        self.assertEqual(self.check(), 3)

    def test_templates_are_those_of_wallets(self):
        other = self.env.ref("saas_usage_billing.mail_template_usage_threshold")
        with self.assertRaises(ValidationError) as caught:
            self.wallet.low_template_id = other
        self.assertIn("not for wallets", caught.exception.args[0])
        self.wallet.low_template_id = self.env.ref(
            "saas_usage_billing.mail_template_wallet_low"
        )

    def mails(self):
        mails = self.env["mail.mail"].search(
            [("model", "=", "saas.wallet"), ("res_id", "=", self.wallet.id)]
        )
        # others tell the success manager of the activity
        return mails.filtered(lambda mail: mail.recipient_ids == self.partner)

    def test_customer_is_told_once_per_filling(self):
        self.wallet.write({"low_balance": 100, "notify_customer": True})
        self.grant(self.wallet, 150)
        self.check()
        self.assertFalse(self.mails())
        self.use()
        self.check()
        mail = self.mails()
        self.assertIn(self.wallet.name, mail.subject)
        self.assertIn("65.60", mail.body_html)
        # looked at again, written again, asked again: told once
        self.check()
        self.wallet.is_low = True
        self.wallet.saas_mail_low()
        self.assertEqual(self.mails(), mail)
        self.assertTrue(self.wallet.low_mailed_at)

        # filled up enough, then used again
        self.grant(self.wallet, 100)
        self.check()
        self.assertFalse(self.wallet.low_mailed_at)
        self.store(1, "2026-04-02", bytes=10000)
        self.check()
        self.assertEqual(len(self.mails()), 2)

    def test_customer_is_told_where_it_is_wanted_only(self):
        self.wallet.low_balance = 100
        self.assertEqual(self.check(), 1)
        self.assertFalse(self.mails() or self.wallet.low_mailed_at)
        # told from now on: the next time it runs low
        self.grant(self.wallet, 5)
        self.wallet.notify_customer = True
        rule = self.env.ref("saas_usage_billing.base_automation_wallet_low_customer")
        # The patches of the rules outlive the rollback of the test.
        self.addCleanup(rule.write, {"active": True})
        rule.active = False
        self.assertEqual(self.check(), 2)
        self.assertFalse(self.mails())

    def test_customer_is_told_in_the_customers_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.partner.lang = "de_DE"
        template = self.env.ref("saas_usage_billing.mail_template_wallet_low")
        template.with_context(lang="de_DE").subject = "Ihr Guthaben"
        self.wallet.write({"low_balance": 100, "notify_customer": True})
        self.check()
        self.assertEqual(self.mails().subject, "Ihr Guthaben")

    def test_mail_that_fails_stops_no_top_up(self):
        template = self.env.ref("saas_usage_billing.mail_template_wallet_low")
        self.wallet.notify_customer = True
        with patch.object(type(template), "send_mail", side_effect=ValueError("no")):
            self.assertEqual(self.top_up("quotation").state, "draft")
        self.assertTrue(self.wallet.is_low)
        exception = self.exceptions("wallet.mail_failed")
        self.assertEqual(exception.res_id, self.wallet.id)
        self.assertFalse(self.mails() or self.wallet.low_mailed_at)
        exception.action_retry()
        self.assertEqual((exception.state, len(self.mails())), ("resolved", 1))

    @freeze_time("2026-04-10 12:00:00")
    def test_job_finds_low_wallets(self):
        self.wallet.low_balance = 100
        other = self.create_wallet()
        cron = self.env.ref("saas_usage_billing.ir_cron_saas_wallet_check_low")
        with self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((self.wallet.is_low, other.is_low), (True, False))

    def test_job_goes_on_where_its_time_was_over(self):
        for number in range(3):
            self.create_wallet(name=f"Low {number}", low_balance=5)
        checked, times = [], []

        def check(wallet, _now):
            checked.append(wallet.id)
            if len(checked) == 1:
                raise ValueError("broken")

        def progress(_cron, processed=0, *, remaining=None):
            return times.pop(0)

        wallets = self.env["saas.wallet"]
        self.patch(type(wallets), "_check_low", check)
        self.patch(type(self.env["ir.cron"]), "_commit_progress", progress)
        wallets.search([("company_id", "!=", self.company.id)]).low_balance = 0
        low = wallets.search([("low_balance", ">", 0)], order="id").ids
        for at, left in (
            ("2026-04-10 12:00:00", [9, 9, 0]),
            ("2026-04-10 12:02:00", [9, 0]),
            ("2026-04-10 12:04:00", [9]),
            ("2026-04-10 13:00:00", [9, 0]),
        ):
            times[:] = left
            with freeze_time(at):
                wallets._cron_check_low()
            self.assertFalse(times)
        # One that fails keeps nobody waiting either.
        self.assertEqual(checked, [*low, low[0]])

    # Top-up ----------------------------------------------------------
    def top_up(self, mode, **vals):
        self.wallet.write(
            {
                "low_balance": 100,
                "topup_mode": mode,
                "topup_product_id": self.credit_product.id,
                "topup_amount": 500,
                **vals,
            }
        )
        self.wallet._check_low(NOW)
        return self.wallet.topup_order_id

    def test_order_fills_the_wallet(self):
        order = self.top_up("order")
        self.assertEqual(order.state, "sale")
        self.assertEqual((order.amount_untaxed, self.wallet.balance), (500, 500))
        self.wallet._check_low(NOW)
        self.assertEqual(self.wallet.topup_order_id, order)
        self.assertFalse(self.wallet.is_low)

    def test_quotation_is_made_once(self):
        order = self.top_up("quotation")
        self.assertEqual((order.state, order.partner_id), ("draft", self.partner))
        self.wallet._check_low(NOW)
        self.wallet.saas_retry_topup()
        self.assertEqual(self.wallet.topup_order_id, order)
        order.action_confirm()
        self.assertEqual(self.wallet.balance, 500)

    def test_order_that_waits_for_its_payment_is_not_repeated(self):
        self.credit_product.saas_wallet_release = "paid"
        order = self.top_up("order")
        self.assertEqual((order.state, self.wallet.balance), ("sale", 0))
        self.wallet.saas_retry_topup()
        self.assertEqual(self.wallet.topup_order_id, order)

        # granted when the invoice is paid, not before
        invoice = order._create_invoices()
        invoice.action_post()
        self.assertEqual(self.wallet.balance, 0)
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({})._create_payments()
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        self.assertEqual(self.wallet.balance, 500)

    def test_paid_credit_is_no_more_than_what_was_invoiced(self):
        self.credit_product.saas_wallet_release = "paid"
        order = self.top_up("order")
        invoice = order._create_invoices()
        invoice.invoice_line_ids.price_unit = 420
        invoice.action_post()
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({})._create_payments()
        self.assertEqual(self.wallet.balance, 420)
        order.saas_grant_credits()
        self.assertEqual(self.wallet.balance, 420)

    def test_failing_top_up_is_an_exception(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["product.pricelist"].search([]).sudo().active = False
        self.wallet.currency_id = usd
        self.assertFalse(self.top_up("order"))
        self.assertEqual(self.exceptions("wallet.topup_failed").res_id, self.wallet.id)

    def test_top_up_needs_its_terms(self):
        for vals in (
            {"topup_amount": 0},
            {"topup_product_id": False},
            {"topup_product_id": self.calls.id},
            {"low_balance": 0},
        ):
            with self.assertRaises(ValidationError):
                self.top_up("order", **vals)

    # Shown -----------------------------------------------------------
    def test_customer_sees_their_own_wallets(self):
        self.grant(self.wallet, 200, date_expiry=date(2027, 1, 1))
        other = self.env["res.partner"].create({"name": "B", "is_company": True})
        self.grant(self.create_wallet(name="Secret", partner_id=other.id), 777)
        self.use()
        self.bill_usage(APRIL)
        portal = new_test_user(
            self.env,
            login="wallet_portal",
            groups="base.group_portal",
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        portal.partner_id.parent_id = self.partner
        html = str(self.subscription.with_user(portal)._get_portal_wallets_html())
        self.assertIn("115.60", html)
        self.assertIn(self.subscription.charge_ids.move_id.name, html)
        self.assertNotIn("Secret", html)
        with self.assertRaises(AccessError):
            self.wallet.with_user(portal).read(["balance"])

    def test_nothing_is_shown_without_a_wallet(self):
        self.wallet.action_close()
        self.assertFalse(self.subscription._get_portal_wallets_html())
        self.assertFalse(self.subscription.wallet_text)

    def test_balance_on_the_buttons(self):
        self.grant(self.wallet, 200)
        text = self.subscription.with_user(self.operator).wallet_text
        self.assertIn("200.00", text)
        self.assertEqual(self.partner.with_user(self.operator).saas_wallet_text, text)
        action = self.partner.with_user(self.operator).action_view_saas_wallets()
        found = self.env["saas.wallet"].search(action["domain"])
        self.assertEqual(found, self.wallet)
        self.assertTrue(self.subscription.action_view_wallets()["res_id"])
