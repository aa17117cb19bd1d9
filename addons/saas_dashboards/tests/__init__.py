# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import test_dashboard_browser
from . import test_dashboard_schema
from . import test_kpi_mail
from . import test_saas_kpi_value
from . import test_security
