# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import tagged

from ..models.usage_store_api import _STORES, register_store
from .common import UsageCase
from .usage_memory_store import MemoryStore
from .usage_store_contract import UsageStoreContract


@tagged("post_install", "-at_install")
class TestPostgresUsageStore(UsageStoreContract, UsageCase):
    """The store in the database keeps the contract."""

    store_name = "postgres"


@tagged("post_install", "-at_install")
class TestMemoryUsageStore(UsageStoreContract, UsageCase):
    """So does a list: the contract asks for nothing but what it says."""

    store_name = "memory"

    def setUp(self):
        super().setUp()
        store = MemoryStore(self.env)
        register_store(self.store_name, lambda _env: store)
        self.addCleanup(_STORES.pop, self.store_name)
