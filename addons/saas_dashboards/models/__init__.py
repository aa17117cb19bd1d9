# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import res_users
from . import saas_kpi
from . import saas_kpi_value
