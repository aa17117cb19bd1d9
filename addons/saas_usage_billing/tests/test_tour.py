# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta, timezone

from odoo.tests import HttpCase, tagged

from .common import UsageFixture
from .drill_fixture import DrillFixture


@tagged("post_install", "-at_install")
class TestTour(UsageFixture, HttpCase):
    """A billing operator defines a meter and a price, and mends the quarantine."""

    # The first page of a fresh database compiles its assets while others wait.
    test_cursor_lock_timeout = 60

    def test_meter_price_and_quarantine(self):
        type(self).env = self.env
        self.create_world()
        operator = self.new_user("usage_tour", "billing_operator")
        operator.group_ids |= self.env.ref(
            "saas_core.group_saas_core_subscription_manager"
        )
        at = datetime.now(timezone.utc) - timedelta(minutes=5)
        events = [
            self.event(subject="tour-client", time=at.isoformat()) for _n in range(3)
        ]
        self.ingest(events, at=datetime.now(timezone.utc))
        self.start_tour("/odoo", "saas_usage_billing_tour", login="usage_tour")
        meter = self.env["saas.meter"].search([("code", "=", "tour_calls")])
        self.assertEqual(meter.event_type, "tour.request")
        price = self.env["saas.usage.price"].search([("name", "=", "Tour Price")])
        self.assertEqual(price.tier_ids.mapped("unit_price"), [0.5, 0.25])
        self.assertEqual(len(self.events_of()), 3)


@tagged("post_install", "-at_install")
class TestDrillTour(DrillFixture, HttpCase):
    """An auditor goes from a charge to the events behind it."""

    test_cursor_lock_timeout = 60

    def test_drill_down(self):
        type(self).env = self.env
        self.create_drill()
        self.new_user("drill_tour", "auditor")
        action = self.env.ref("saas_subscription_ops.saas_charge_action")
        url = f"/odoo/action-{action.id}/{self.charge.id}"
        self.start_tour(url, "saas_usage_drill_tour", login="drill_tour")
