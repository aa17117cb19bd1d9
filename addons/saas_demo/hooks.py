# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Installation hooks."""

MODULE = "saas_demo"
# Where the names of the records wait while the module is not installed.
SHELF = "__saas_demo__"


def pre_init_hook(env):
    """Find the demo company of an earlier installation again.

    :param env: environment of the superuser
    """
    _rename(env, SHELF, MODULE)


def uninstall_hook(env):
    """Leave the demo company's records to the database.

    They have invoices, events and tickets by now, which nothing may delete, and the
    company may be the database's first one. A second installation goes on with them
    instead of making people whose logins are taken.

    :param env: environment of the superuser
    """
    _rename(env, MODULE, SHELF)


def _rename(env, source, target):
    """Move the external ids of records, not those of models and fields."""
    names = env["ir.model.data"].search(
        [("module", "=", source), ("model", "not like", "ir.model%")]
    )
    names.write({"module": target})
    # Names are looked up by SQL and cached.
    names.flush_recordset()
    env.registry.clear_cache()
