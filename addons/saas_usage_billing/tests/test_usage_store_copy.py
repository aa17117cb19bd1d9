# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import TransactionCase, tagged

from ..models.usage_screen import SEPARATOR
from ..models.usage_store_copy import _KEY, _RESOLVE


@tagged("post_install", "-at_install")
class TestUsageStoreCopy(TransactionCase):
    """What a request costs does not grow with what is stored."""

    def explain(self, query, values):
        self.env.cr.execute(f"EXPLAIN {query}", values)
        return "\n".join(line for (line,) in self.env.cr.fetchall())

    def test_keys_of_a_request_are_looked_up(self):
        # Few enough that reading all of them looks cheaper to the planner.
        self.env.cr.execute(
            "INSERT INTO saas_usage_event_key"
            " SELECT 0, 'plan-' || n, '2026-04-01', 0 FROM generate_series(1, 20000) n"
        )
        self.env.cr.execute("ANALYZE saas_usage_event_key")
        columns = {
            "sources": ["0"] * 1000,
            "ids": [f"new-{number}" for number in range(1000)],
            "times": ["2026-04-01"] * 1000,
            "numbers": map(str, range(1000)),
        }
        values = {name: SEPARATOR.join(column) for name, column in columns.items()}
        plan = self.explain(_KEY, {**values, "separator": SEPARATOR})
        self.assertIn("Index Cond: ((source_id = k.source_id)", plan)
        self.assertNotIn("Seq Scan on saas_usage_event_key", plan)

    def test_subscriptions_of_subjects_are_looked_up(self):
        values = {
            "company": self.env.company.id,
            "keys": ["weblog"],
            "subjects": SEPARATOR.join(f"t-{number}" for number in range(1000)),
            "separator": SEPARATOR,
        }
        plan = self.explain(_RESOLVE, values)
        self.assertIn("Index Cond: (id = e.subscription_id)", plan)
