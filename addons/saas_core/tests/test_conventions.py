# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import TransactionCase, tagged

MODELS = (
    "saas.support.tier",
    "saas.event",
    "saas.event.chain",
    "saas.exception",
    "saas.exception.queue",
    "saas.external.id",
    "saas.kpi.value",
)


@tagged("post_install", "-at_install")
class TestConventions(TransactionCase):
    """House rules that a reader cannot see at a glance."""

    def test_every_company_model_has_a_company_rule(self):
        for name in MODELS:
            model = self.env["ir.model"]._get(name)
            rules = self.env["ir.rule"].search(
                [("model_id", "=", model.id), ("groups", "=", False)]
            )
            self.assertTrue(
                rules.filtered(lambda rule: "company_id" in rule.domain_force), name
            )

    def test_crons_call_cron_methods(self):
        data = self.env["ir.model.data"].search(
            [("module", "=", "saas_core"), ("model", "=", "ir.cron")]
        )
        self.assertEqual(len(data), 4)
        for cron in self.env["ir.cron"].browse(data.mapped("res_id")):
            self.assertRegex(cron.code, r"^model\._cron_\w+\(\)$")

    def test_contract_names(self):
        for xmlid in (
            "menu_root",
            "menu_operations",
            "menu_reporting",
            "menu_configuration",
            "saas_support_tier_standard",
            "saas_support_tier_premium",
            "saas_support_tier_enterprise",
            "saas_exception_action",
            "saas_event_action",
            "saas_kpi_value_action",
        ):
            self.assertTrue(self.env.ref(f"saas_core.{xmlid}"))
