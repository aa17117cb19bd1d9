# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (
    test_saas_sla_calendar,
    test_saas_sla_policy,
    test_flow_clock,
    test_flow_escalation,
    test_flow_mail,
    test_routing,
    test_saas_kpi,
    test_security,
    test_portal,
    test_tour,
)
