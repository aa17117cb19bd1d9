# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import HttpCase, tagged

from .common import SlaCase


@tagged("post_install", "-at_install")
class TestTour(SlaCase, HttpCase):
    """An agent finds a ticket by its deadline and reads its SLA in the browser."""

    def test_ticket_with_its_sla(self):
        self.policy.calendar_mode = "always"
        self.agent.password = "sla_agent"
        self.make_ticket(name="Tour ticket")
        self.start_tour(
            "/odoo/saas-sla-clocks",
            "saas_helpdesk_sla_ticket_tour",
            login="sla_agent",
        )
