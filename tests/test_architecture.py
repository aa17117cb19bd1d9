# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The house stands: every rule holds here, and catches a planted violation."""

from pathlib import Path

import pytest

from .house import RULES

ADDONS = Path(__file__).resolve().parent.parent / "addons"

MODEL = """
from odoo import fields, models

class Thing(models.Model):
    _name = "saas.thing"
    _description = "Thing"

    company_id = fields.Many2one("res.company")
"""
CSV = "id,name,model_id:id,group_id:id,perm_read\n"
ACCESS = CSV + "access_saas_thing,thing,model_saas_thing,base.group_user,1\n"
RULE = """<odoo><record id="saas_thing_rule_company" model="ir.rule">
<field name="model_id" ref="model_saas_thing"/>
<field name="domain_force">[('company_id', 'in', company_ids)]</field>
</record></odoo>"""
CRON = """<odoo><record id="ir_cron_saas_thing_run" model="ir.cron">
<field name="model_id" ref="model_saas_thing"/>
<field name="code">{}</field></record></odoo>"""

# A small suite that keeps every rule.
CLEAN = {
    "saas_core/__manifest__.py": "{'depends': ['mail']}",
    "saas_core/engine/__init__.py": "from . import sums\n",
    "saas_core/engine/sums.py": (
        "from decimal import Decimal\n\n"
        "def double(value: Decimal) -> Decimal:\n    return value * 2\n"
    ),
    "saas_core/engine/parts/more.py": "from ..sums import double\n",
    "saas_core/models/saas_thing.py": MODEL + "\nfrom ..engine import sums\n",
    "saas_core/models/res_partner.py": (
        "from odoo import models\n\n"
        "class Partner(models.Model):\n"
        "    _name = 'res.partner'\n"
        "    _inherit = ['res.partner', 'saas.mixin']\n"
    ),
    "saas_core/controllers/main.py": "from ..models import saas_thing\n",
    "saas_core/security/ir.model.access.csv": ACCESS,
    "saas_core/security/saas_thing_rules.xml": RULE,
    "saas_core/data/ir_cron_data.xml": CRON.format("model._cron_run(limit=5)"),
    "saas_core/tests/test_thing.py": "from hypothesis import given\n",
    "saas_subscription_ops/__manifest__.py": "{'depends': ['saas_core']}",
    "saas_helpdesk_sla/__manifest__.py": "{'depends': ['saas_core']}",
    "saas_helpdesk_sla/models/ticket.py": (
        "from odoo.addons.saas_core.models import saas_thing\n"
    ),
    "saas_dashboards/__manifest__.py": "{'depends': ['saas_core']}",
    "saas_dashboards/models/saas_kpi.py": (
        "def read(self):\n    return self.env['saas.kpi'].search([])\n"
    ),
    "saas_subscription_helpdesk/__manifest__.py": (
        "{'depends': ['saas_subscription_ops', 'saas_helpdesk_sla'],"
        " 'auto_install': True}"
    ),
}

# rule, file, content, word in the message
PLANTED = [
    ("engine_imports", "saas_core/engine/a.py", "import odoo\n", "odoo"),
    ("engine_imports", "saas_core/engine/a.py", "from odoo import models\n", "odoo"),
    ("engine_imports", "saas_core/engine/a.py", "import requests\n", "requests"),
    ("engine_imports", "saas_core/engine/a.py", "import time\n", "time"),
    ("engine_imports", "saas_core/engine/a.py", "from .. import models\n", "models"),
    ("engine_imports", "saas_core/engine/a.py", "def f():\n    import odoo\n", "odoo"),
    ("engine_imports", "saas_core/engine/p/a.py", "from ...models import x\n", "x"),
    (
        "engine_calls",
        "saas_core/engine/a.py",
        "import datetime\nx = datetime.datetime.now()\n",
        "now",
    ),
    (
        "engine_calls",
        "saas_core/engine/a.py",
        "from datetime import date\nx = date.today()\n",
        "today",
    ),
    ("engine_calls", "saas_core/engine/a.py", "x = float('1')\n", "float"),
    ("engine_calls", "saas_core/engine/a.py", "x = open('f')\n", "open"),
    ("engine_annotations", "saas_core/engine/a.py", "def f(x) -> None: ...\n", "x"),
    ("engine_annotations", "saas_core/engine/a.py", "def f(): ...\n", "result"),
    (
        "sibling_imports",
        "saas_helpdesk_sla/models/a.py",
        "from odoo.addons.saas_subscription_ops.models import x\n",
        "saas_subscription_ops",
    ),
    (
        "sibling_imports",
        "saas_subscription_ops/models/a.py",
        "from odoo.addons import saas_helpdesk_sla\n",
        "saas_helpdesk_sla",
    ),
    (
        "sibling_imports",
        "saas_helpdesk_sla/models/a.py",
        "from ...saas_subscription_ops import models\n",
        "saas_subscription_ops",
    ),
    (
        "sibling_imports",
        "saas_core/tests/a.py",
        "import odoo.addons.saas_dashboards\n",
        "saas_dashboards",
    ),
    (
        "sibling_depends",
        "saas_helpdesk_sla/__manifest__.py",
        "{'depends': ['saas_core', 'saas_subscription_ops']}",
        "saas_subscription_ops",
    ),
    (
        "sibling_depends",
        "saas_core/__manifest__.py",
        "{'depends': ['saas_dashboards']}",
        "saas_dashboards",
    ),
    (
        "forbidden_imports",
        "saas_core/models/a.py",
        "from odoo.orm.models import BaseModel\n",
        "odoo.orm",
    ),
    ("forbidden_imports", "saas_core/models/a.py", "from odoo import orm\n", "orm"),
    ("forbidden_imports", "saas_core/models/a.py", "from ..tests import x\n", "tests"),
    ("forbidden_imports", "saas_core/__init__.py", "from . import tests\n", "tests"),
    ("forbidden_imports", "saas_core/models/a.py", "import pytest\n", "pytest"),
    (
        "model_imports",
        "saas_core/models/a.py",
        "from ..controllers import main\n",
        "controllers",
    ),
    (
        "model_imports",
        "saas_core/models/a.py",
        "from odoo.addons.saas_core.wizards.w import W\n",
        "wizards",
    ),
    (
        "dashboards_write",
        "saas_dashboards/models/a.py",
        "def f(self):\n    self.env['saas.kpi'].create({})\n",
        "create",
    ),
    (
        "dashboards_write",
        "saas_dashboards/models/a.py",
        "def f(self):\n    self.write({})\n",
        "write",
    ),
    (
        "dashboards_write",
        "saas_dashboards/models/a.py",
        "Q = 'UPDATE saas_kpi SET name = 1'\n",
        "SQL",
    ),
    (
        "one_model_per_file",
        "saas_core/models/saas_thing.py",
        MODEL + "\nclass Other(models.Model):\n    _inherit = 'res.partner'\n",
        "second",
    ),
    ("model_access", "saas_core/security/ir.model.access.csv", CSV, "saas.thing"),
    (
        "company_rules",
        "saas_core/security/saas_thing_rules.xml",
        RULE.replace("company_id", "x").replace("company_ids", "y"),
        "saas.thing",
    ),
    ("no_tree_views", "saas_core/views/a.xml", "<odoo><tree/></odoo>", "tree"),
    (
        "no_tree_views",
        "saas_core/views/a.xml",
        "<odoo><field name='view_mode'>tree,form</field></odoo>",
        "tree",
    ),
    ("no_tree_views", "saas_core/views/a.xml", "<odoo>", "no XML"),
    (
        "cron_calls",
        "saas_core/data/ir_cron_data.xml",
        CRON.format("model.search([]).unlink()"),
        "ir_cron_saas_thing_run",
    ),
    (
        "swallowed_errors",
        "saas_core/models/a.py",
        "try:\n    x = 1\nexcept Exception:\n    pass\n",
        "swallows",
    ),
    (
        "swallowed_errors",
        "saas_core/models/a.py",
        "def f(self):\n    self.env.cr.commit()\n",
        "commits",
    ),
]


def plant(folder: Path, files: dict[str, str]) -> Path:
    """Write a suite of addons and return its folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize("rule", RULES)
def test_the_suite_keeps_the_rule(rule: str) -> None:
    violations = RULES[rule](ADDONS)
    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize("rule", RULES)
def test_a_clean_suite_has_no_violations(rule: str, tmp_path: Path) -> None:
    assert RULES[rule](plant(tmp_path, CLEAN)) == []


@pytest.mark.parametrize("rule, name, content, word", PLANTED)
def test_a_planted_violation_is_found(
    rule: str, name: str, content: str, word: str, tmp_path: Path
) -> None:
    violations = RULES[rule](plant(tmp_path, {**CLEAN, name: content}))
    assert len(violations) == 1, violations
    path, message = violations[0].split(" ", 1)
    assert word in message
    assert path.partition("/")[0] == name.partition("/")[0]


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, *_rest in PLANTED} == set(RULES)
