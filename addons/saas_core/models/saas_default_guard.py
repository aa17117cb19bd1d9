# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasDefaultGuard(models.AbstractModel):
    """A document for whose own fields the context has no defaults.

    Whoever calls a method over RPC chooses the context, and `default_<field>` in it
    fills every value a later ``create`` leaves out, also in superuser mode. What only
    the document's own code may set must therefore never come from there.
    """

    _name = "saas.default.guard"
    _description = "Document Without Defaults From the Context"

    #: Names of the fields; None: no field at all takes a default from the context.
    _undefaultable = None

    @api.model
    def default_get(self, fields):
        model = self.with_env(self.env(context=self._get_own_context()))
        return super(SaasDefaultGuard, model).default_get(fields)

    def _get_own_context(self) -> dict:
        """Return the context without the defaults it may not give."""
        return {
            key: value
            for key, value in self.env.context.items()
            if not (
                key.startswith("default_")
                and self._is_undefaultable(key.removeprefix("default_"))
            )
        }

    def _is_undefaultable(self, name: str) -> bool:
        """Return whether the context may not give a field its default.

        :param str name: field
        """
        return self._undefaultable is None or name in self._undefaultable
