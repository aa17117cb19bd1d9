# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import TransactionCase, tagged

from ..models.usage_bucket import Counted, Requests, _grouped
from ..models.usage_schema import ensure_partitions
from ..models.usage_screen import SEPARATOR
from ..models.usage_store_api import MeterSpec
from ..models.usage_store_copy import _KEY


@tagged("post_install", "-at_install")
class TestUsagePlans(TransactionCase):
    """Statements read what they need, whatever the planner believes of a table."""

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

    def test_states_of_counted_events_are_looked_up(self):
        ensure_partitions(self.env.cr, [date(2026, 4, 1)])
        self.env.cr.execute(
            "INSERT INTO saas_usage_bucket_state"
            " SELECT -n, 0, '', 'UTC', '2026-04-01', '2026-04-01'"
            "   FROM generate_series(1, 20000) n"
        )
        counted = Counted(0, MeterSpec("ping", "sum", "bytes"))
        query = _grouped(counted, Requests([1, 2]).selection)
        plan = self.explain(query.code, query.params)
        self.assertIn("Index Cond: ((subscription_id = e", plan)
        self.assertNotIn("Seq Scan on saas_usage_bucket_state", plan)
