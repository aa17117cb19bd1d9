# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Start Odoo from a script file.

Odoo's prefork server starts its live-message process again with ``sys.argv[0]``, so
that must be a file and not ``python -m odoo``, which would name a module's path.
"""

import sys

# The directory of this file is no place to import Odoo's modules from.
del sys.path[0]

from odoo.cli import main  # noqa: E402

main()
