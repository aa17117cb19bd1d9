# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A code leads to one meter in every company."""

from odoo import api, models
from odoo.exceptions import ValidationError


class SaasMeter(models.Model):
    _inherit = "saas.meter"

    @api.model_create_multi
    def create(self, vals_list):
        meters = super().create(vals_list)
        meters._check_code()
        return meters

    def write(self, vals):
        if not vals.keys() & {"code", "company_id"}:
            return super().write(vals)
        before = {meter: (meter.code, meter.company_id) for meter in self}
        result = super().write(vals)
        # Meters that shared a code before this was refused can still be worked on.
        self.filtered(
            lambda meter: (meter.code, meter.company_id) != before[meter]
        )._check_code()
        return result

    def _check_code(self):
        """Refuse the code of a shared meter for one of a company, and the reverse.

        :raise ValidationError: answers of the API could mean either
        """
        # sudo: a shared meter stands beside the own ones of every company
        meters = self.sudo().with_context(active_test=False)
        for meter in self:
            shared = "!=" if not meter.company_id else "="
            other = meters.search(
                [("code", "=", meter.code), ("company_id", shared, False)], limit=1
            )
            if other:
                raise ValidationError(
                    self.env._(
                        "The Code “%(code)s” is that of “%(other)s” (%(company)s)"
                        " already: in API answers nobody could tell it from"
                        " “%(meter)s”. Enter another Code.",
                        code=meter.code,
                        other=meter._get_name_of(other),
                        company=other.company_id.name
                        or self.env._("shared by all companies"),
                        meter=meter.name,
                    )
                )

    def _get_name_of(self, other):
        """Return what may be told of a meter that stands in the way."""
        if other.with_env(self.env).has_access("read"):
            return other.name
        return self.env._("another meter")
