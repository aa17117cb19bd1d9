# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasRecordWizardMixin(models.AbstractModel):
    """A dialog about records its user must be able to read.

    A dialog shows names and dates of what it is about. Without this, the id of a record
    of another company or of a private project would be enough to learn them.
    """

    _name = "saas.record.wizard.mixin"
    _description = "Dialog about Records the User May Read"

    #: Names of the relational fields the dialog is about.
    _subject_fields = ()

    @api.model_create_multi
    def create(self, vals_list):
        wizards = super().create(vals_list)
        # Afterwards, since a default may have named the record.
        wizards._check_subjects()
        return wizards

    def write(self, vals):
        result = super().write(vals)
        if any(name in vals for name in self._subject_fields):
            self._check_subjects()
        return result

    def _check_subjects(self):
        """Refuse dialogs about records the user may not read.

        :raise AccessError: no right to read one of them
        """
        for name in self._subject_fields:
            # sudo: which records they are; the user's right to them is checked next
            subjects = self.sudo()[name].sudo(self.env.su)
            subjects.check_access("read")
