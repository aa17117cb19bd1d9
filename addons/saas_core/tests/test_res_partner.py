# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from .common import SaasCoreCase


@tagged("post_install", "-at_install")
class TestResPartner(SaasCoreCase):
    """Account facts live on the commercial partner."""

    def test_facts_reach_the_contacts(self):
        self.assertFalse(self.account.saas_lifecycle, "not every contact is an account")
        tier = self.env.ref("saas_core.saas_support_tier_premium")
        self.account.write({"saas_lifecycle": "live", "saas_support_tier_id": tier.id})
        self.assertEqual(self.contact.saas_lifecycle, "live")
        self.assertEqual(self.contact.saas_support_tier_id, tier)
        self.assertEqual(self.account.saas_standing, "good")
        late = self.env["res.partner"].create(
            {"name": "Late", "parent_id": self.account.id}
        )
        self.assertEqual(late.saas_lifecycle, "live")

    def test_facts_given_to_a_contact_go_to_the_account(self):
        self.contact.saas_lifecycle = "onboarding"
        self.assertEqual(self.account.saas_lifecycle, "onboarding")
        self.contact._saas_set_lifecycle("live")
        self.assertEqual(
            (self.account | self.contact).mapped("saas_lifecycle"), ["live"] * 2
        )

    def test_subsidiary_is_an_account_of_its_own(self):
        child = self.env["res.partner"].create(
            {"name": "Child", "is_company": True, "parent_id": self.account.id}
        )
        self.account._saas_set_lifecycle("live")
        self.assertFalse(child.saas_lifecycle)
        self.assertIn(child, self.account.saas_subsidiary_ids)
        self.assertTrue(child.saas_is_account)
        self.assertFalse(self.contact.saas_is_account)

    def test_lifecycle_is_an_event_once(self):
        self.assertEqual(
            self.account._saas_set_lifecycle("live", "signed"), self.account
        )
        self.assertFalse(self.account._saas_set_lifecycle("live", "again"))
        events = self.events("account.lifecycle_changed", account_id=self.account.id)
        self.assertEqual(len(events), 1)
        self.assertEqual(events.payload, {"from": "", "to": "live", "reason": "signed"})
        self.account.saas_lifecycle = "at_risk"
        events = self.events("account.lifecycle_changed", account_id=self.account.id)
        self.assertEqual(events[-1].payload["from"], "live", "also by hand")
        with self.assertRaises(UserError):
            self.account._saas_set_lifecycle("nowhere")

    def test_standing_is_an_event(self):
        self.account._saas_set_lifecycle("live")
        self.assertFalse(
            self.events("account.standing_changed", res_id=self.account.id)
        )
        self.account._saas_set_standing("hold", "unpaid")
        event = self.events("account.standing_changed", res_id=self.account.id)
        self.assertEqual(event.payload["to"], "hold")
        with self.assertRaises(UserError):
            self.account._saas_set_standing("nowhere")

    def test_at_risk_makes_one_activity(self):
        csm = self.users["customer_success"]
        self.account.write({"saas_lifecycle": "live", "saas_csm_id": csm.id})
        self.account.saas_lifecycle = "at_risk"
        self.assertEqual(self.account.activity_ids.user_id, csm)
        self.account.saas_notify_at_risk()
        self.assertEqual(len(self.account.activity_ids), 1)
        self.assertFalse(self.contact.activity_ids)

    def test_csm_is_an_employee(self):
        with self.assertRaises(ValidationError):
            self.account.saas_csm_id = self.users["portal"]

    def test_roles_that_may_edit(self):
        groups = self.env.ref("base.group_partner_manager")
        for role in (
            "customer_success",
            "subscription_manager",
            "billing_operator",
            "administrator",
        ):
            user = self.users[role]
            user.group_ids |= groups
            with self.subTest(role):
                self.account.with_user(user).saas_standing = "grace"
                self.account.saas_standing = "good"
        for role in (
            "user",
            "auditor",
            "support_agent",
            "billing_approver",
            "internal",
        ):
            user = self.users[role]
            user.group_ids |= groups
            account = self.account.with_user(user)
            with self.subTest(role), self.assertRaises(AccessError):
                account.saas_standing = "grace"
            with self.subTest(role), self.assertRaises(AccessError):
                self.env["res.partner"].with_user(user).create(
                    {"name": "X", "saas_lifecycle": "live"}
                )
            account.phone = "123"  # the rest of the contact is not ours

    def test_forms_work_without_a_saas_role(self):
        user = self.users["internal"]
        user.group_ids |= self.env.ref("base.group_partner_manager")
        self.account._saas_set_lifecycle("live")
        with Form(self.account.with_user(user)) as form:
            form.name = "Renamed"
        with Form(self.env["res.partner"].with_user(user)) as form:
            form.name = "New contact"
            form.parent_id = self.account.with_user(user)
        self.assertEqual(form.record.sudo().saas_lifecycle, "live")

    def test_form_of_an_account(self):
        user = self.users["customer_success"]
        user.group_ids |= self.env.ref("base.group_partner_manager")
        with Form(self.account.with_user(user)) as form:
            form.saas_lifecycle = "onboarding"
        self.assertEqual(self.account.saas_lifecycle, "onboarding")
        with (
            self.assertRaises(AssertionError),
            Form(self.contact.with_user(user)) as form,
        ):
            form.saas_lifecycle = "live"

    def test_portal_reads_nothing_internal(self):
        portal = self.users["portal"]
        partner = portal.partner_id.with_user(portal)
        partner.read(["name"])
        for name in (
            "saas_lifecycle",
            "saas_support_tier_id",
            "saas_standing",
            "saas_csm_id",
            "saas_external_id_ids",
            "saas_correlation_id",
            "saas_exception_count",
            "saas_event_count",
        ):
            with self.subTest(name):
                with self.assertRaises(AccessError):
                    partner.read([name])
                self.assertNotIn(name, partner.fields_get())
        with self.assertRaises(AccessError):
            partner.search([("saas_standing", "=", "good")])
