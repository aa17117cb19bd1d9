# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tools.translate import LazyGettext


class SaidError(Exception):
    """An error in words for people: ``text``, for ``env._`` to translate.

    As a string it is English.
    """

    def __init__(self, text: LazyGettext):
        super().__init__()
        self.text = text

    def __str__(self):
        return self.text._translate("en_US")
