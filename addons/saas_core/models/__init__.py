# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (  # isort: skip  the mixin first, others inherit it
    saas_default_guard,
    saas_mixin,
    saas_support_tier,
    saas_event_type,
    saas_event,
    saas_event_chain,
    saas_exception,
    saas_exception_raise,
    saas_exception_actions,
    saas_exception_queue,
    saas_external_id,
    saas_kpi,
    saas_kpi_value,
    res_company,
    res_partner,
)
