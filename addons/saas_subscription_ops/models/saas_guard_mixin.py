# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models

from ..exceptions import SubscriptionError


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
    _initial_state = "draft"

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

        :param dict vals: values of ``create`` or ``write``
        :raise SubscriptionError: somebody sets them directly
        """
        if self.env.su:
            return
        forged = [name for name in self._own_fields if vals.get(name)]
        if self:
            forged = [name for name in self._own_fields if name in vals]
        elif vals.get("state") == self._initial_state:
            forged = [name for name in forged if name != "state"]
        if not forged:
            return
        raise SubscriptionError(
            self.env._(
                "%(fields)s can't be typed in, they follow from the steps of "
                "%(model)s: use the buttons.",
                fields=", ".join(
                    self._fields[name]._description_string(self.env) for name in forged
                ),
                model=self.env["ir.model"]._get(self._name).name,
            )
        )
