# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import dispatcher
from . import entitlement
from . import openapi
from . import usage
from . import usage_source
from . import usage_feed
from . import portal_usage
from . import usage_export
