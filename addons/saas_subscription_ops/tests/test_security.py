# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from ast import literal_eval

from lxml import etree

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import SubscriptionCase

MODELS = (
    "saas.plan",
    "saas.subscription",
    "saas.subscription.line",
    "saas.charge",
    "saas.billing.run",
    "saas.billing.run.line",
    "saas.billing.run.charge",
)


@tagged("post_install", "-at_install")
class TestSecurity(SubscriptionCase):
    """Who may and who may not, in pairs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription = cls.create_subscription()
        cls.billing_run = cls.bill()
        cls.user = cls.new_role_user("user")
        cls.internal = cls.new_user("sub_internal", "base.group_user")
        cls.integration = cls.new_user(
            "sub_int", "saas_core.group_saas_core_integration"
        )
        contact = cls.env["res.partner"].create(
            {"name": "Buyer", "parent_id": cls.partner.id}
        )
        cls.portal = cls._portal("sub_portal", contact)
        cls.stranger = cls._portal(
            "sub_stranger", cls.env["res.partner"].create({"name": "Stranger"})
        )

    @classmethod
    def _portal(cls, login, partner):
        return new_test_user(
            cls.env,
            login=login,
            groups="base.group_portal",
            partner_id=partner.id,
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )

    def _can(self, user, model, operation):
        return self.env[model].with_user(user).has_access(operation)

    def test_rights_per_role(self):
        expected = {
            # user: (readable models, models that may be changed)
            self.user: (set(MODELS[:4]), set()),
            self.manager: (set(MODELS), {MODELS[0], MODELS[1], MODELS[2]}),
            self.operator: (set(MODELS), {MODELS[4], MODELS[5]}),
            self.approver: (set(MODELS), {MODELS[4]}),
            self.auditor: (set(MODELS), set()),
            self.salesperson: (set(MODELS[:3]), set()),
            self.internal: ({MODELS[0]}, set()),
            self.integration: (set(), set()),
            self.portal: ({MODELS[1], MODELS[2]}, set()),
        }
        for user, (readable, writable) in expected.items():
            for model in MODELS:
                with self.subTest(user=user.login, model=model):
                    self.assertEqual(self._can(user, model, "read"), model in readable)
                    self.assertEqual(self._can(user, model, "write"), model in writable)

    def test_nobody_has_rights_on_the_ledger_but_reading(self):
        access = self.env["ir.model.access"].search(
            [("model_id.model", "=", "saas.charge")]
        )
        self.assertTrue(access)
        for mode in ("write", "create", "unlink"):
            self.assertFalse(any(access.mapped(f"perm_{mode}")))

    def test_auditor_takes_no_step(self):
        run = self.create_run()
        for step in ("compute", "review", "approve", "post", "reset", "retry_failed"):
            with self.subTest(step=step), self.assertRaises(AccessError):
                getattr(run.with_user(self.auditor), f"action_{step}")()
        with self.assertRaises(AccessError):
            self.subscription.with_user(self.auditor).action_activate()

    def test_manager_activates_user_does_not(self):
        draft = self.create_subscription(activate=False)
        with self.assertRaises(AccessError):
            draft.with_user(self.user).action_activate()
        draft.with_user(self.manager).action_activate()
        self.assertEqual(draft.state, "active")

    def test_operator_steps_are_the_operators(self):
        run = self.create_run()
        with self.assertRaises(AccessError):
            run.with_user(self.approver).action_compute()
        with self.assertRaises(AccessError):
            run.with_user(self.manager).action_compute()
        run.with_user(self.operator).action_compute()

    def test_run_lines_take_a_comment_only(self):
        line = self.billing_run.line_ids.with_user(self.operator)
        line.comment = "seen"
        with self.assertRaises(AccessError):
            line.write({"state": "posted"})
        with self.assertRaises(AccessError):
            line.write({"amount": 1})

    # Portal ----------------------------------------------------------
    def test_portal_sees_its_account_only(self):
        Model = self.env["saas.subscription"]
        self.assertEqual(Model.with_user(self.portal).search([]), self.subscription)
        self.assertFalse(Model.with_user(self.stranger).search([]))
        self.subscription.with_user(self.portal).read(["name", "state"])
        for record in (self.subscription, self.subscription.line_ids):
            with self.subTest(model=record._name), self.assertRaises(AccessError):
                record.with_user(self.stranger).read(["id", "display_name"])
        with self.assertRaises(AccessError):
            self.subscription.with_user(self.portal).write({"date_end": "2026-12-01"})

    def test_portal_does_not_see_drafts_nor_charges(self):
        draft = self.create_subscription(activate=False)
        with self.assertRaises(AccessError):
            draft.with_user(self.portal).read(["name"])
        with self.assertRaises(AccessError):
            self.subscription.charge_ids.with_user(self.portal).read(["amount"])

    # Companies -------------------------------------------------------
    def test_other_company_sees_nothing(self):
        other = self.env["res.company"].create({"name": "Other Ltd"})
        groups = ",".join(
            f"saas_core.group_saas_core_{role}"
            for role in ("subscription_manager", "billing_operator", "auditor")
        )
        stranger = self.new_user("sub_other_company", groups, company=other)
        for model in MODELS:
            with self.subTest(model=model):
                here = self.env[model].with_user(self.auditor).search([])
                self.assertTrue(here)
                there = (
                    self.env[model]
                    .with_user(stranger)
                    .with_context(allowed_company_ids=other.ids)
                    .search([])
                )
                self.assertFalse(
                    there.filtered(lambda rec: rec.company_id == self.company)
                )
        with self.assertRaises(AccessError):
            self.subscription.with_user(stranger).with_context(
                allowed_company_ids=other.ids
            ).read(["name"])

    def test_shared_plan_is_seen_by_all(self):
        shared = self.create_plan(name="Shared", company_id=False)
        other = self.env["res.company"].create({"name": "Other Ltd"})
        user = self.new_user("sub_shared", "base.group_user", company=other)
        Plan = self.env["saas.plan"].with_user(user)
        found = Plan.with_context(allowed_company_ids=other.ids).search([])
        self.assertIn(shared, found)
        self.assertNotIn(self.plan, found)

    def test_everybody_finds_subscriptions_by_name(self):
        """Typing into the search box does not need the right to read sales orders."""
        seller = self.new_user(
            "sub_seller",
            "saas_core.group_saas_core_user,sales_team.group_sale_salesman",
        )
        for user in (self.user, seller):
            model = self.env["saas.subscription"].with_user(user)
            [field] = etree.fromstring(
                model.get_view(view_type="search")["arch"]
            ).findall("field[@name='name']")
            domain = literal_eval(
                field.get("filter_domain", "[('name', 'ilike', self)]").replace(
                    "self", repr(self.subscription.name)
                )
            )
            self.assertIn(self.subscription, model.search(domain), user.login)
