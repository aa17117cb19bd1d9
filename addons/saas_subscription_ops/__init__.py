# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from . import engine
from . import models
from . import report
from . import wizards
from . import controllers
from .hooks import uninstall_hook
