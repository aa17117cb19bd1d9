# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tools import SQL


def uninstall_hook(env):
    """Remove what the database keeps beside the tables."""
    env.cr.execute(SQL("DROP FUNCTION IF EXISTS saas_charge_refuse_change() CASCADE"))
    env.cr.execute(
        SQL("DROP FUNCTION IF EXISTS saas_renewal_snapshot_refuse_change() CASCADE")
    )
