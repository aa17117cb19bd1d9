# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Give the demo people their logins. Feed this file to an Odoo shell:

    SAAS_DEMO_ACCESS=.local/demo_access.json odoo shell -d DATABASE < demo_access.py

The file named by SAAS_DEMO_ACCESS gets the password and the usage key, readable by
its owner only. Nothing is stored anywhere else; running it again makes new ones.
"""

import json
import os
import secrets

_path = os.environ["SAAS_DEMO_ACCESS"]
_secret = os.environ.get("SAAS_DEMO_PASSWORD") or secrets.token_urlsafe(9)
_access = env["saas.demo"]._issue_access(_secret)  # noqa: F821 - the shell's
env.cr.commit()  # noqa: F821

with open(os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as _file:
    json.dump(_access, _file, indent=2)

print(f"logins of the demo company written to {_path}")
