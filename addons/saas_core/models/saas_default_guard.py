# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasDefaultGuard(models.AbstractModel):
    """A document for whose own fields nobody but the code has defaults.

    Whoever calls a method over RPC chooses the context, and `default_<field>` in it
    fills every value a later ``create`` leaves out, also in superuser mode; so do the
    defaults a user has stored. What only the document's own code may set must
    therefore never come from there.
    """

    _name = "saas.default.guard"
    _description = "Document Without Defaults From the Context"

    #: Names of the fields; None: no field at all takes a default from the context.
    _undefaultable = None

    @api.model
    def default_get(self, fields):
        model = self.with_env(self.env(context=self._get_own_context()))
        values = super(SaasDefaultGuard, model).default_get(fields)
        # People keep defaults of their own ("Set as Default"), over RPC for any field.
        for name in self.env["ir.default"]._get_model_defaults(self._name):
            if name in values and self._is_undefaultable(name):
                del values[name]
                values.update(model._get_field_default(name))
        return values

    def _get_field_default(self, name: str) -> dict:
        """Return the value the code gives a field of a new document, if any.

        :param str name: field
        """
        field = self._fields[name]
        if not field.default:
            return {}
        value = field.convert_to_cache(field.default(self), self, validate=False)
        return {name: field.convert_to_write(value, self)}

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
