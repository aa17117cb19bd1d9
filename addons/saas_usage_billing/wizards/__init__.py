# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import saas_wallet_grant_wizard
from . import saas_wallet_void_wizard
from . import saas_usage_drill
from . import saas_usage_drill_line
from . import saas_usage_map_subject
from . import saas_usage_map_subject_line
