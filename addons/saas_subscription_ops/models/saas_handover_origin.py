# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a handover hangs on: one opportunity or order its author may change."""

from odoo import api, models

from ..exceptions import HandoverError

#: What a handover comes from; each has one at most.
ORIGINS = ("lead_id", "order_id")


class SaasHandover(models.Model):
    _inherit = "saas.handover"

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_origin_free(
                {
                    name: vals.get(name, self.env.context.get(f"default_{name}"))
                    for name in ORIGINS
                }
            )
        handovers = super().create(vals_list)
        # Afterwards, since a default may have named the origin.
        handovers._check_origin_access(ORIGINS)
        return handovers

    def write(self, vals):
        origins = [name for name in ORIGINS if name in vals]
        self._check_origin_free(vals)
        self._check_origin_access(origins)
        result = super().write(vals)
        self._check_origin_access(origins)
        return result

    def _check_origin_access(self, names):
        """Refuse to hang a handover on a record the user may not change, or off one.

        :param names: those of ``ORIGINS`` to look at
        :raise AccessError: no right to write the opportunity or order
        """
        for name in names:
            # sudo: which record it is; the user's right to it is checked next
            self.sudo()[name].sudo(self.env.su).check_access("write")

    def _check_origin_free(self, vals: dict):
        """Refuse a second handover of an opportunity or order.

        The unique indexes hold when two users are at it at the same moment.

        :param dict vals: values of ``create`` or ``write``
        :raise HandoverError: it has one already
        """
        for name in ORIGINS:
            if not vals.get(name):
                continue
            # sudo: the other one may be a colleague's
            other = self.sudo().search(
                [(name, "=", vals[name]), ("id", "not in", self.ids)], limit=1
            )
            if other:
                raise HandoverError(
                    self.env._(
                        "%(origin)s has a handover already. Open it there, with the "
                        "button Handover.",
                        origin=other[name].display_name,
                    )
                )
