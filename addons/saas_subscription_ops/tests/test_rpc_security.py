# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from freezegun import freeze_time
from lxml import etree

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, JsonRpcException, new_test_user, tagged
from odoo.tools import mute_logger

from .common import ROLE, SubscriptionCase

TERM = {"date_start": date(2026, 3, 1), "term_end": date(2027, 3, 1)}


@tagged("post_install", "-at_install")
class TestRpcSecurity(SubscriptionCase, HttpCase):
    """Every public call, by everybody, over the wire: who may and who may not."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Somebody who may only pay the plan's salespeople, accountants and so on.
        cls.new_role_user("user")
        cls.new_user("sub_internal", "base.group_user")
        cls.new_user("sub_integration", f"{ROLE}integration")
        cls.new_user("sub_accountant", "account.group_account_manager")
        contact = cls.env["res.partner"].create(
            {"name": "Buyer", "parent_id": cls.partner.id}
        )
        new_test_user(
            cls.env,
            login="sub_portal",
            groups="base.group_portal",
            partner_id=contact.id,
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )
        other = cls.env["res.company"].create({"name": "Other Ltd"})
        cls.new_user("sub_foreign", f"{ROLE}subscription_manager", company=other)
        cls.new_user("sub_admin", f"{ROLE}administrator")
        cls.outsiders = (
            "sub_user",
            "sub_internal",
            "sub_integration",
            "sub_accountant",
            "sub_sales",
            "sub_billing_operator",
            "sub_billing_approver",
            "sub_customer_success",
            "sub_auditor",
            "sub_portal",
            "sub_foreign",
        )
        cls.subscription = cls.create_subscription(**TERM)
        cls.draft = cls.create_subscription(activate=False, **TERM)
        cls.trial = cls.create_subscription(
            activate=False, trial_end=date(2030, 3, 1), **TERM
        )
        cls.bill()
        cls.amendment = cls.subscription.amend("cancel", "term_end", confirm=False)
        cls.scheduled = cls.draft.browse(cls.create_subscription(**TERM).id)
        cls.undoable = cls.scheduled.with_user(cls.manager).cancel()

    def rpc(self, model, method, *args, **kwargs):
        return self.make_jsonrpc_request(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(args), "kwargs": kwargs},
        )

    def get_calls(self):
        """Return (model, method, arguments) of every public call that changes."""
        sub, line = self.subscription, self.subscription.line_ids[0]
        Sub, Amendment = "saas.subscription", "saas.amendment"
        return [
            (Sub, "amend", [sub.ids, "pause"]),
            (Sub, "pause", [sub.ids]),
            (Sub, "resume", [sub.ids]),
            (Sub, "cancel", [sub.ids]),
            (Sub, "renew", [sub.ids]),
            (Sub, "end_trial", [self.trial.ids]),
            (Sub, "change_quantity", [sub.ids, line.id, 7]),
            (Sub, "pause_now", [sub.ids]),
            (Sub, "cancel_at_term_end", [sub.ids]),
            (Sub, "resume_now", [sub.ids]),
            (Sub, "action_activate", [self.draft.ids]),
            (Sub, "action_undo_next_amendment", [self.scheduled.ids]),
            (Sub, "action_undo_cancellation", [self.scheduled.ids]),
            (Sub, "action_undo_pause", [self.scheduled.ids]),
            (Sub, "write", [sub.ids, {"date_end": "2026-12-01"}]),
            (Sub, "unlink", [self.draft.ids]),
            (Amendment, "create", [{"subscription_id": sub.id, "kind": "pause"}]),
            (Amendment, "write", [self.amendment.ids, {"reason": "changed"}]),
            (Amendment, "action_confirm", [self.amendment.ids]),
            (Amendment, "action_confirm_dialog", [self.amendment.ids]),
            (Amendment, "action_approve", [self.amendment.ids]),
            (Amendment, "action_refuse", [self.amendment.ids]),
            (Amendment, "action_undo", [self.undoable.ids]),
            (Amendment, "unlink", [self.amendment.ids]),
        ]

    @mute_logger("odoo.http")
    def test_nobody_else_changes_a_subscription(self):
        for login in self.outsiders:
            self.authenticate(login, login)
            for model, method, args in self.get_calls():
                with (
                    self.subTest(login=login, method=f"{model}.{method}"),
                    self.assertRaises(JsonRpcException),
                ):
                    self.rpc(model, method, *args)
        self.env.invalidate_all()
        self.assertEqual(self.subscription.state, "active")
        self.assertEqual(self.subscription.amendment_ids, self.amendment)
        self.assertEqual(self.amendment.state, "draft")
        self.assertEqual(self.undoable.state, "scheduled")
        self.assertEqual(self.draft.state, "draft")

    @mute_logger("odoo.http")
    def test_nobody_at_all_writes_ledger_or_states(self):
        charge = self.subscription.sudo().charge_ids[0]
        calls = [
            ("saas.charge", "create", [{"name": "x", "amount": 1.0}]),
            ("saas.charge", "write", [charge.ids, {"amount": 1.0}]),
            ("saas.charge", "unlink", [charge.ids]),
            (
                "saas.subscription",
                "write",
                [self.subscription.ids, {"state": "paused"}],
            ),
            ("saas.amendment", "write", [self.amendment.ids, {"state": "applied"}]),
            (
                "saas.amendment",
                "create",
                [
                    {
                        "subscription_id": self.subscription.id,
                        "kind": "cancel",
                        "state": "applied",
                    }
                ],
            ),
            (
                "saas.amendment",
                "write",
                [self.amendment.ids, {"approved_by_id": self.manager.id}],
            ),
            # What is private stays private.
            (
                "saas.subscription",
                "_set_state",
                [self.subscription.ids, [], "paused", ""],
            ),
            ("saas.amendment", "_do_confirm", [self.amendment.ids]),
            ("saas.amendment", "_take_effect", [self.amendment.ids, "2026-01-01"]),
            ("saas.subscription", "_portal_submit", [self.subscription.ids, {}]),
        ]
        for login in (*self.outsiders, "sub_subscription_manager", "sub_admin"):
            self.authenticate(login, login)
            for model, method, args in calls:
                with (
                    self.subTest(login=login, method=f"{model}.{method}"),
                    self.assertRaises(JsonRpcException),
                ):
                    self.rpc(model, method, *args)
        self.env.invalidate_all()
        self.assertEqual(self.subscription.state, "active")
        self.assertEqual(self.amendment.state, "draft")
        self.assertEqual(charge.amount, 500.0)

    def test_manager_takes_every_step_over_the_wire(self):
        self.authenticate("sub_subscription_manager", "sub_subscription_manager")
        Sub = "saas.subscription"
        self.rpc(Sub, "action_activate", self.draft.ids)
        line = self.draft.line_ids
        self.rpc(Sub, "change_quantity", self.draft.ids, line.id, 3)
        self.rpc(Sub, "renew", self.draft.ids, term_months=12)
        self.rpc(Sub, "pause_now", self.draft.ids)
        self.rpc(Sub, "pause_now", self.draft.ids)
        self.env.invalidate_all()
        self.assertEqual(self.draft.state, "paused")
        kinds = self.draft.amendment_ids.sorted("id").mapped("kind")
        self.assertEqual(kinds, ["quantity", "renewal", "pause"])
        self.rpc("saas.amendment", "action_undo", self.undoable.ids)
        self.rpc("saas.amendment", "action_confirm", self.amendment.ids)
        self.rpc(Sub, "cancel_at_term_end", self.subscription.ids)
        self.env.invalidate_all()
        self.assertEqual(self.undoable.state, "undone")
        self.assertEqual(self.amendment.state, "scheduled")
        self.assertEqual(self.subscription.amendment_ids, self.amendment)

    @freeze_time("2026-03-16 10:00:00")
    def test_server_actions_repeat_safely(self):
        records = self.subscription | self.scheduled
        mine = records.with_user(self.manager)
        for name in ("pause_now", "resume_now", "cancel_at_term_end"):
            action = self.env.ref(f"saas_subscription_ops.ir_actions_server_{name}")
            self.assertEqual(
                action.group_ids.get_external_id().popitem()[1][:9], "saas_core"
            )
        for _attempt in range(2):
            mine.pause_now()
        self.assertEqual(set(records.mapped("state")), {"paused"})
        pauses = records.amendment_ids.filtered(lambda a: a.kind == "pause")
        self.assertEqual(len(pauses), 2)
        for _attempt in range(2):
            mine.cancel_at_term_end()
        cancels = records.amendment_ids.filtered(
            lambda a: a.kind == "cancel" and a.state == "scheduled"
        )
        self.assertEqual(len(cancels), 2)
        with freeze_time("2026-03-20 10:00:00"):
            for _attempt in range(2):
                mine.resume_now()
        self.assertEqual(set(records.mapped("state")), {"active"})

    def test_server_action_is_the_managers(self):
        action = self.env.ref("saas_subscription_ops.ir_actions_server_pause_now")
        context = {
            "active_model": "saas.subscription",
            "active_ids": self.subscription.ids,
            "active_id": self.subscription.id,
        }
        with self.assertRaises(AccessError):
            action.with_user(self.auditor).with_context(**context).run()
        action.with_user(self.manager).with_context(**context).run()
        self.assertEqual(self.subscription.state, "paused")

    def test_form_opens_for_every_role_that_reads_it(self):
        for login in self.outsiders:
            user = self.env["res.users"].search([("login", "=", login)])
            if login == "sub_foreign" or not user.has_group("base.group_user"):
                continue
            if not self.env["saas.subscription"].with_user(user).has_access("read"):
                continue
            with self.subTest(login=login):
                record = self.subscription.with_user(user)
                arch = etree.fromstring(record.get_view(view_type="form")["arch"])
                # What the form reads of the record itself, not of its lists
                nodes = arch.xpath("//field[not(ancestor::field)]/@name")
                [values] = record.read(list(set(nodes)))
                self.assertEqual(values["state"], "active")
                self.assertTrue(values["next_invoice_date"])
