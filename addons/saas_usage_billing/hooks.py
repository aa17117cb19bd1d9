# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Installation hooks."""

from .models.usage_schema import drop_store
from .models.wallet_schema import drop_guards


def uninstall_hook(env):
    """Drop the partitioned usage store and the guards, which no ORM code owns.

    :param env: environment of the superuser, the tables still exist
    """
    drop_store(env.cr)
    drop_guards(env.cr)
