# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import datetime

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ROLES, SaasCoreCase

READ, EDIT, ALL = "r", "rw", "rwcu"
EVERYBODY = dict.fromkeys(ROLES, READ)
#: What each role may do; roles that are not named may do nothing.
MATRIX = {
    "saas.support.tier": {
        **EVERYBODY,
        "internal": READ,
        "integration": READ,
        "administrator": ALL,
    },
    "saas.event.type": {**EVERYBODY, "administrator": ALL},
    "saas.event": EVERYBODY,
    "saas.event.chain": {"administrator": READ, "auditor": READ},
    "saas.exception": {
        **dict.fromkeys(ROLES, EDIT),
        "user": READ,
        "auditor": READ,
    },
    "saas.exception.queue": {**EVERYBODY, "administrator": ALL},
    "saas.external.id": {
        **EVERYBODY,
        "administrator": ALL,
        "subscription_manager": ALL,
        "customer_success": ALL,
    },
    "saas.kpi": {**EVERYBODY, "administrator": ALL},
    "saas.kpi.value": EVERYBODY,
}
OPERATIONS = {"r": "read", "w": "write", "c": "create", "u": "unlink"}


@tagged("post_install", "-at_install")
class TestSecurity(SaasCoreCase):
    """Who may do what, in allowed and forbidden pairs."""

    def test_access_matrix(self):
        people = [role for role in self.users if role != "stranger"]
        for model, rights in MATRIX.items():
            for role in people:
                for letter, operation in OPERATIONS.items():
                    with self.subTest(model=model, role=role, operation=operation):
                        allowed = self.env[model].with_user(self.users[role])
                        self.assertEqual(
                            allowed.has_access(operation),
                            letter in rights.get(role, ""),
                        )

    def test_auditor_writes_nothing(self):
        auditor = self.users["auditor"]
        for model in MATRIX:
            for operation in ("write", "create", "unlink"):
                self.assertFalse(
                    self.env[model].with_user(auditor).has_access(operation), model
                )

    def test_exceptions_by_queue(self):
        queues = ("finance", "sales_ops", "customer_success", "integration")
        rows = {
            queue: self.raise_exception(code=f"core.{queue}", queue=queue)
            for queue in queues
        }
        for row in rows.values():
            row.owner_id = False
        wanted = {
            "user": (),
            "subscription_manager": ("sales_ops",),
            "billing_operator": ("finance", "integration"),
            "billing_approver": ("finance",),
            "support_agent": ("customer_success",),
            "support_lead": ("customer_success",),
            "customer_success": ("customer_success",),
            "administrator": queues,
            "auditor": queues,
        }
        ids = [row.id for row in rows.values()]
        for role, visible in wanted.items():
            found = (
                self.env["saas.exception"]
                .with_user(self.users[role])
                .search([("id", "in", ids)])
            )
            with self.subTest(role):
                self.assertEqual(set(found.mapped("queue")), set(visible))
        row = rows["finance"]
        row.owner_id = self.users["user"]
        own = row.with_user(self.users["user"])
        self.assertEqual(own.code, "core.finance", "own exceptions are readable")
        with self.assertRaises(AccessError):
            own.action_resolve()
        with self.assertRaises(AccessError):
            row.with_user(self.users["auditor"]).action_resolve()
        row.with_user(self.users["billing_operator"]).action_resolve()
        self.assertEqual(row.state, "resolved")

    def test_other_company_sees_nothing(self):
        exception = self.raise_exception()
        event = self.account._saas_emit("invoice.paid")
        self.env["saas.event.chain"]._seal_batch(self.company.id)
        chain = self.env["saas.event.chain"].search(
            [("company_id", "=", self.company.id)]
        )
        external = self.env["saas.external.id"]._claim(
            "product", "tenant", "sec", self.account, self.company
        )
        day = datetime.date(2026, 3, 1)
        value = self.env.ref("saas_core.saas_kpi_open_exceptions")._compute_period(
            self.company, day, day + datetime.timedelta(days=1)
        )
        tier = self.env["saas.support.tier"].create(
            {"name": "Local", "code": "core_local", "company_id": self.company.id}
        )
        queue = self.env["saas.exception.queue"]._get_for(self.company, "finance")
        for record in (exception, event, chain, external, value, tier, queue):
            with self.subTest(record._name):
                stranger = record.with_user(self.users["stranger"])
                self.assertFalse(stranger.search([("id", "=", record.id)]))
                with self.assertRaises(AccessError):
                    stranger.read(["display_name"])
                insider = record.with_user(self.users["administrator"])
                self.assertTrue(insider.read(["display_name"]))

    def test_private_calls_stay_private(self):
        """What writes for others must not be callable over RPC."""
        for model, names in {
            "saas.exception": ("_saas_raise_for", "_ignore", "_set_state", "_resolve"),
            "saas.kpi": ("_compute_range",),
            "res.partner": ("_saas_set_lifecycle", "_saas_emit", "_saas_raise"),
        }.items():
            for name in names:
                self.assertTrue(hasattr(self.env[model], name), name)

    def test_recompute_and_retry_need_the_administrator(self):
        kpi = self.env.ref("saas_core.saas_kpi_open_exceptions")
        kpi.with_user(self.users["administrator"]).action_recompute()
        kpi.with_user(self.users["administrator"]).saas_retry_compute()
        for role in ("user", "auditor", "billing_operator"):
            with self.subTest(role):
                with self.assertRaises(AccessError):
                    kpi.with_user(self.users[role]).action_recompute()
                with self.assertRaises(AccessError):
                    kpi.with_user(self.users[role]).saas_retry_compute()

    def test_menus(self):
        visible = self.env["ir.ui.menu"]
        root = self.env.ref("saas_core.menu_root")
        config = self.env.ref("saas_core.menu_configuration")
        for role, sees_root, sees_config in (
            ("user", True, False),
            ("administrator", True, True),
            ("auditor", True, True),
            ("internal", False, False),
            ("integration", False, False),
        ):
            ids = visible.with_user(self.users[role])._visible_menu_ids()
            with self.subTest(role):
                self.assertEqual(root.id in ids, sees_root)
                self.assertEqual(config.id in ids, sees_config)

    def test_administrator_holds_every_role_but_two(self):
        admin = self.users["administrator"]
        for role in ROLES:
            held = admin.has_group(f"saas_core.group_saas_core_{role}")
            self.assertEqual(held, role != "auditor", role)
        self.assertFalse(admin.has_group("saas_core.group_saas_core_integration"))
        self.assertFalse(
            self.users["integration"].has_group("saas_core.group_saas_core_user")
        )
