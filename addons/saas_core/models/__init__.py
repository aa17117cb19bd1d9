# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (
    saas_support_tier,
    saas_event_type,
    saas_event,
    saas_event_chain,
    saas_exception,
    saas_mixin,
    saas_external_id,
    saas_kpi,
    saas_kpi_value,
    res_partner,
)
