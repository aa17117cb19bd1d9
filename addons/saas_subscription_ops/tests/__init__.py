# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import test_saas_invoice_builder
from . import test_saas_plan
from . import test_saas_coupon
from . import test_sale_order
from . import test_sale_order_value
from . import test_sale_order_amend
from . import test_sale_order_tour
from . import test_onboarding
from . import test_saas_subscription
from . import test_saas_charge
from . import test_saas_amendment
from . import test_saas_billing_run
from . import test_mrr_history
from . import test_security
from . import test_portal
from . import test_flow_quote_to_invoice
from . import test_tour
