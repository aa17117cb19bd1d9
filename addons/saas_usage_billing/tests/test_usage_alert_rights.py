# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .test_usage_alert import AlertCase

USER = "saas_core.group_saas_core_user"


@tagged("post_install", "-at_install")
class TestUsageAlertRights(AlertCase):
    """What was found is not changed by people, and who only reads starts nothing."""

    def open_alert(self, user=None, **vals):
        threshold = self.create_threshold(**vals)
        return (
            self.env["saas.usage.alert"]
            .with_user(user or self.env.user)
            ._open(
                {
                    "kind": "threshold",
                    "threshold_id": threshold.id,
                    "subscription_id": self.subscription.id,
                    "product_tmpl_id": self.calls.product_tmpl_id.id,
                    "period_start": "2026-03-01",
                }
            )
        )

    @mute_logger("odoo.addons.base.models.ir_model")
    def test_facts_are_not_written_by_people(self):
        alert = self.open_alert()
        auditor = self.new_user("alert_auditor", "auditor")
        for user in (self.csm, auditor):
            for vals in ({"quantity": 1}, {"state": "done"}, {"recorded_at": False}):
                with self.assertRaises(AccessError):
                    alert.with_user(user).write(vals)
        alert.with_user(self.csm).action_done()
        self.assertEqual(alert.state, "done")

    @mute_logger("odoo.addons.base.models.ir_model")
    def test_steps_are_for_those_who_write(self):
        alert = self.open_alert()
        auditor = self.new_user("alert_auditor", "auditor")
        for name in (
            "saas_record_alert",
            "saas_notify_csm",
            "saas_mail_customer",
            "saas_open_upsell",
        ):
            with self.assertRaises(AccessError):
                getattr(alert.with_user(auditor), name)()
            self.assertTrue(getattr(alert.with_user(self.csm), name)())

    def test_rules_run_whoever_counts(self):
        reader = self.new_user("alert_counter", "user")
        alert = self.open_alert(reader, notify_customer=True, open_upsell=True)
        self.assertTrue(alert.recorded_at and alert.notified_at and alert.mailed_at)
        self.assertTrue(alert.sudo().lead_id)

    def test_template_of_another_model(self):
        own = self.env.ref("saas_usage_billing.mail_template_usage_threshold")
        threshold = self.create_threshold(template_id=own.id)
        other = self.env["mail.template"].create(
            {"model_id": self.env.ref("base.model_res_partner").id, "name": "Other"}
        )
        with self.assertRaisesRegex(ValidationError, "“Other” is not for usage alerts"):
            threshold.template_id = other

    def test_opportunity_is_opened_by_who_may_read_it(self):
        seller = new_test_user(
            self.env, "alert_seller", groups=f"{USER},sales_team.group_sale_salesman"
        )
        for user, shown in ((self.csm, False), (seller, True)):
            arch = self.env["saas.usage.alert"].with_user(user).get_view()["arch"]
            self.assertEqual("action_view_lead" in arch, shown, user.login)
