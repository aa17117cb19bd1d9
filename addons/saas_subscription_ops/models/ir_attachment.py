# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models

from ..exceptions import OnboardingDocumentError

VERSION_MODEL = "saas.onboarding.document.version"
# Changing one of these would change the file, or open it to others.
KEPT_FIELDS = frozenset(
    "raw datas db_datas store_fname name type url mimetype public access_token"
    " res_model res_id res_field company_id".split()
)


class IrAttachment(models.Model):
    """Files handed in for an onboarding stay what they were, for ever."""

    _inherit = "ir.attachment"

    def write(self, vals):
        changed = KEPT_FIELDS & vals.keys()
        if changed:
            self._filter_saas_kept().filtered(
                # Moving files to another storage writes what is there already.
                lambda one: any(one[name] != vals[name] for name in changed)
            )._check_saas_kept()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_saas_version(self):
        self._filter_saas_kept()._check_saas_kept()

    def _filter_saas_kept(self):
        # sudo: also a file the user may not read is kept
        return self.sudo().filtered(lambda one: one.res_model == VERSION_MODEL)

    def _check_saas_kept(self):
        """Refuse to change or delete the files of versions.

        :raise OnboardingDocumentError: there are any
        """
        if self:
            raise OnboardingDocumentError(
                self.env._(
                    "Files of onboarding documents are kept as they came in. Upload "
                    "another version instead."
                )
            )
