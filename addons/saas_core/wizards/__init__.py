# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (
    base_partner_merge,
    saas_event_verify_wizard,
    saas_exception_ignore_wizard,
    saas_kpi_recompute_wizard,
)
