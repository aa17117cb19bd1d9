# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from lxml import etree

from odoo.tests import TransactionCase, tagged

MODULE = "saas_usage_billing"
#: Lists add up numbers in groups, and pivots offer them, unless they are told not to.
NO_TOTAL = {
    "saas.meter": ("percentile", "window_size", "decimals"),
    "saas.usage.alert": ("quantity", "allowance"),
    "saas.usage.control": ("quantity_rated", "quantity_booked", "quantity_difference"),
    "saas.usage.source": (
        *("max_age_days", "max_future_minutes", "quarantine_days"),
        *("cadence_minutes", "tolerance_minutes"),
    ),
    "saas.usage.threshold": ("value",),
    "saas.wallet": ("priority", "low_balance", "topup_amount"),
    "saas.wallet.grant": ("priority", "rollover_min", "rollover_max"),
}


@tagged("post_install", "-at_install")
class TestConventions(TransactionCase):
    """Every model of the module has access rights and a company rule."""

    def models(self):
        names = self.env["ir.model.data"].search(
            [("module", "=", MODULE), ("model", "=", "ir.model")]
        )
        models = self.env["ir.model"].browse(names.mapped("res_id"))
        return models.filtered(
            lambda model: (
                model.model.startswith(("saas.usage", "saas.meter"))
                and not self.env[model.model]._abstract
            )
        )

    def test_every_model_has_rights_and_a_company_rule(self):
        self.assertGreaterEqual(len(self.models()), 8)
        for model in self.models():
            self.assertTrue(model.access_ids, model.model)
            rules = model.rule_ids.filtered(lambda rule: "company" in rule.domain_force)
            self.assertTrue(rules, model.model)

    def test_inverse_of_every_list_is_indexed(self):
        for model in self.models():
            for field in self.env[model.model]._fields.values():
                if field.type == "one2many" and field.comodel_name.startswith("saas."):
                    inverse = self.env[field.comodel_name]._fields[field.inverse_name]
                    self.assertTrue(inverse.index, f"{model.model}.{field.name}")

    def test_numbers_that_do_not_add_up_are_not_added_up(self):
        """Settings, positions and quantities of several meters have no total."""
        for model, names in NO_TOTAL.items():
            described = self.env[model].fields_get(names, ["aggregator"])
            self.assertEqual(set(described), set(names), model)
            for name in names:
                self.assertFalse(described[name].get("aggregator"), f"{model}.{name}")

    def test_words_beside_settings_are_shown(self):
        """The web client leaves out words of a setting that no element holds."""
        arch = self.env["res.config.settings"].get_view(view_type="form")["arch"]
        settings = etree.fromstring(arch).xpath(
            "//setting[starts-with(@id, 'saas_usage')]"
        )
        self.assertGreaterEqual(len(settings), 3)
        for setting in settings:
            loose = [setting.text, *(child.tail for child in setting)]
            self.assertFalse("".join(filter(None, loose)).strip(), setting.get("id"))

    def test_pages_of_the_server_have_no_keys_of_the_web_client(self):
        """Each would be a warning in the log at every visit."""
        views = self.env["ir.ui.view"].search(
            [("type", "=", "qweb"), ("model_data_id.module", "=", MODULE)]
        )
        self.assertTrue(views)
        for view in views:
            self.assertNotIn("t-key", view.arch_db, view.key)
