# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import (
    test_engine,
    test_res_partner,
    test_saas_event,
    test_saas_exception,
    test_saas_external_id,
    test_saas_kpi,
    test_saas_mixin,
    test_concurrency,
    test_security,
    test_conventions,
    test_tour,
)
