# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import billing_run
from . import portal
from . import portal_amendment
from . import portal_onboarding
