# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (
    saas_sla_policy_target,
    saas_sla_escalation,
    saas_sla_policy,
    saas_sla_calendar,
    saas_sla_history,
    res_users,
    helpdesk_ticket_stage,
    helpdesk_ticket_team,
    helpdesk_ticket,
    helpdesk_ticket_sla,
    saas_sla_event,
    saas_sla_clock,
    saas_sla_clock_escalation,
    saas_sla_escalation_log,
    saas_sla_result,
)
