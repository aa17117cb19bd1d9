# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import saas_record_wizard_mixin
from . import crm_lead_lost
from . import saas_billing_run_decide_wizard
from . import saas_billing_run_prepare_wizard
from . import saas_billing_run_refuse_wizard
from . import saas_go_live_undo_wizard
from . import saas_handover_return_wizard
from . import saas_onboarding_document_decide_wizard
from . import saas_onboarding_document_upload_wizard
from . import saas_onboarding_wait_wizard
from . import saas_subscription_import_wizard
from . import saas_onboarding_reschedule_wizard
from . import sale_advance_payment_inv
from . import saas_renewal_coterm_wizard
from . import saas_renewal_coterm_line
