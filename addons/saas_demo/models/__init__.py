# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import saas_demo, saas_demo_contracts, saas_demo_onboardings
