# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import TransactionCase, new_test_user

ROLES = (
    "user",
    "subscription_manager",
    "billing_operator",
    "billing_approver",
    "support_agent",
    "support_lead",
    "customer_success",
    "administrator",
    "auditor",
)


class SaasCoreCase(TransactionCase):
    """Two companies, an account with a contact, one user per role."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True))
        cls.company = cls.env.company
        cls.other_company = cls.env["res.company"].create({"name": "Core Other"})
        cls.account = cls.env["res.partner"].create(
            {"name": "Core Account", "is_company": True, "email": "core@example.com"}
        )
        cls.contact = cls.env["res.partner"].create(
            {"name": "Core Contact", "parent_id": cls.account.id}
        )
        cls.users = {
            role: new_test_user(
                cls.env,
                login=f"core_{role}",
                groups=f"saas_core.group_saas_core_{role}",
                company_id=cls.company.id,
            )
            for role in ROLES
        }
        cls.users["integration"] = new_test_user(
            cls.env,
            login="core_integration",
            groups="base.group_user,saas_core.group_saas_core_integration",
        )
        cls.users["internal"] = new_test_user(
            cls.env, login="core_internal", groups="base.group_user"
        )
        cls.users["portal"] = new_test_user(
            cls.env, login="core_portal", groups="base.group_portal"
        )
        cls.users["stranger"] = new_test_user(
            cls.env,
            login="core_stranger",
            groups="saas_core.group_saas_core_administrator",
            company_id=cls.other_company.id,
            company_ids=[(6, 0, cls.other_company.ids)],
        )

    @classmethod
    def raise_exception(cls, code="core.test", record=None, **kwargs):
        """Raise an exception on the account, or on another record."""
        record = record if record is not None else cls.account
        return record._saas_raise(code, kwargs.pop("message", "It failed"), **kwargs)

    def events(self, name, **domain):
        """Return the events of a name, oldest first."""
        terms = [("name", "=", name), *((k, "=", v) for k, v in domain.items())]
        return self.env["saas.event"].search(terms, order="id")
