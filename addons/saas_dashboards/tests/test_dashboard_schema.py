# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json

from odoo.tests import TransactionCase, tagged
from odoo.tools import file_open

from ..generator.__main__ import generate, stale
from ..generator.checker import check, check_schema


@tagged("post_install", "-at_install")
class TestDashboardSchema(TransactionCase):
    """The dashboard files against the models and menus of this database."""

    def _get_field(self, model, name):
        if model not in self.env:
            return None
        if name is None:
            return True
        field = self.env[model]._fields.get(name)
        if not field:
            return None
        return field.type, field.comodel_name, bool(field.store)

    def _has_menu_action(self, xml_id):
        menu = self.env.ref(xml_id, raise_if_not_found=False)
        return bool(menu and menu._name == "ir.ui.menu" and menu.action)

    def _problems(self, doc):
        return check_schema(doc, self._get_field, self._has_menu_action)

    def test_files_are_what_the_generator_writes(self):
        self.assertEqual(stale(), [])

    def test_files_have_no_problem(self):
        for name, text in generate().items():
            with self.subTest(name=name):
                self.assertEqual(check(name, text), [])
                self.assertEqual(self._problems(json.loads(text)), [])

    def test_loaded_dashboards_are_the_files(self):
        for key in ("executive", "operations"):
            record = self.env.ref(f"saas_dashboards.spreadsheet_dashboard_saas_{key}")
            path = f"saas_dashboards/data/files/saas_{key}_dashboard.json"
            with file_open(path) as file:
                self.assertEqual(json.loads(record.spreadsheet_data), json.load(file))

    def test_unknown_names_are_found(self):
        text = generate()["saas_executive_dashboard.json"]
        plants = {
            '"saas.kpi.value"': '"saas.no.such"',
            '"kpi_id.saas_owner_id"': '"kpi_id.no_such_id"',
            '"fieldName": "value"': '"fieldName": "no_such"',
            '"fieldName": "target"': '"fieldName": "saas_is_total"',
            '"saas_is_current"': '"no_such_flag"',
            "saas_kpi_value_menu_mrr": "no_such_menu",
            '"res.users"': '"no.such"',
        }
        for good, bad in plants.items():
            with self.subTest(bad=bad):
                self.assertIn(good, text)
                self.assertTrue(self._problems(json.loads(text.replace(good, bad))))
