# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import usage_store
from . import saas_usage_source
from . import saas_meter
from . import saas_usage_price
from . import saas_usage_price_tier
from . import saas_usage_batch
from . import saas_usage_event
from . import saas_usage_quarantine
from . import saas_usage_control
from . import product_template
from . import sale_order
from . import saas_subscription
from . import saas_subscription_usage_periods
from . import saas_subscription_usage_charges
from . import saas_subscription_current_usage
from . import saas_subscription_signal
from . import saas_charge
