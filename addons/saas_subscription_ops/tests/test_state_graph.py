# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestStateGraph(TransactionCase):
    """Graphs by health and category are drawn in the colours of their states."""

    def test_graphs_find_their_renderer(self):
        for name in ("saas_onboarding_view_graph", "saas_renewal_view_graph"):
            view = self.env.ref(f"saas_subscription_ops.{name}")
            self.assertIn('js_class="saas_state_graph"', view.arch)
        # Graph views are loaded lazily: in another bundle the module finds no base.
        for bundle, is_there in (
            ("web.assets_backend_lazy", True),
            ("web.assets_backend", False),
        ):
            paths = self.env["ir.asset"]._get_asset_paths(bundle, {})
            found = any("state_graph/state_graph.js" in path[0] for path in paths)
            self.assertEqual(found, is_there, bundle)
