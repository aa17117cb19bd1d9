# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import test_saas_demo, test_saas_demo_work
