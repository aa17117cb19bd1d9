# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.exceptions import AccessError


class SaasGuardMixin(models.AbstractModel):
    """A document some of whose fields follow from its steps and are never typed in.

    A read-only field can be written over RPC; one of ``_own_fields`` only by the
    document's own code, in superuser mode.
    """

    _name = "saas.guard.mixin"
    _description = "Document with Guarded Fields"
    _inherit = ["saas.default.guard"]

    #: Names of the fields the steps set.
    _own_fields = ()

    def _is_undefaultable(self, name):
        return name in self._own_fields

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_own_fields(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_own_fields(vals)
        return super().write(vals)

    def _check_own_fields(self, vals: dict):
        """Refuse values that only the steps of the document set.

        A new document may come with nothing in them, or with their defaults: forms
        send these along.

        :param dict vals: values of ``create`` or ``write``
        :raise AccessError: somebody sets them directly
        """
        if self.env.su:
            return
        forged = [name for name in self._own_fields if name in vals]
        if not self:
            forged = [name for name in forged if not self._is_unset(name, vals[name])]
        if not forged:
            return
        raise AccessError(
            self.env._(
                "%(fields)s can't be typed in, they follow from the steps of "
                "%(model)s: %(cure)s",
                fields=", ".join(
                    self._fields[name]._description_string(self.env) for name in forged
                ),
                model=self.env["ir.model"]._get(self._name).name,
                cure=self._get_own_fields_cure(),
            )
        )

    def _is_unset(self, name: str, value) -> bool:
        """Return whether a value is what the field of a new document has anyway.

        :param str name: one of ``_own_fields``
        :param value: as given to ``create``
        """
        default = self._fields[name].default
        return not value or bool(default and value == default(self))

    def _get_own_fields_cure(self) -> str:
        """Hook: tell what to do instead of typing in one of ``_own_fields``."""
        return self.env._("use the buttons.")
