# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import test_usage_rate
from . import test_usage_screen
from . import test_usage_store
from . import test_ingest
from . import test_ingest_http
from . import test_ingest_threads
from . import test_portal
from . import test_quarantine
from . import test_aggregate
from . import test_saas_meter
from . import test_saas_usage_price
from . import test_flow_usage_billing
from . import test_sale_order
from . import test_security
from . import test_conventions
from . import test_tour
from . import test_renewal_signal
