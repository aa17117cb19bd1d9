# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.exceptions import ValidationError

#: Of the shortest month that is kept as a whole.
MONTH_DAYS = 30


class SaasUsageSource(models.Model):
    _inherit = "saas.usage.source"

    @api.constrains("max_age_days")
    def _check_max_age_kept(self):
        self._check_kept(self.env["saas.usage.partition"]._get_kept_months())

    def _check_kept(self, months):
        """Refuse sources that accept what is not kept.

        :param int months: whole months that are kept, 0: all
        :raise ValidationError: naming the sources
        """
        days = months * MONTH_DAYS
        wrong = self.filtered(lambda source: months and source.max_age_days > days)
        if wrong:
            raise ValidationError(
                self.env._(
                    "Usage is kept for %(months)s months, but these sources accept"
                    " older events: %(names)s. Accept an age of %(days)s days at most,"
                    " or keep usage longer.",
                    months=months,
                    names=", ".join(wrong.mapped("name")),
                    days=days,
                )
            )
