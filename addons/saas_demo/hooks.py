# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Installation hooks."""


def uninstall_hook(env):
    """Leave the demo company's records to the database.

    They have invoices, events and tickets by now, which nothing may delete, and the
    company may be the database's first one. The module only forgets its names.

    :param env: environment of the superuser
    """
    env["ir.model.data"].search(
        [("module", "=", "saas_demo"), ("model", "not like", "ir.model%")]
    ).unlink()
