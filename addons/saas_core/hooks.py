# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Installation hooks."""

from .models.saas_event import drop_ledger_guard


def uninstall_hook(env):
    """Drop the database guard of the event ledger, which no ORM code owns.

    :param env: environment of the superuser, the tables still exist
    """
    drop_ledger_guard(env.cr)
