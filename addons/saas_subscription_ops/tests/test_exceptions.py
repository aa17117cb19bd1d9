# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import UserError
from odoo.http import serialize_exception
from odoo.tests import TransactionCase, tagged

from .. import exceptions

# The dialogs that the web client has for errors that carry a message.
DIALOGS = {"odoo.exceptions.UserError", "odoo.exceptions.ValidationError"}


@tagged("post_install", "-at_install")
class TestExceptions(TransactionCase):
    """Every error of the module shows its own words on the screen."""

    def test_the_web_client_knows_a_dialog_for_each(self):
        own = [
            one
            for one in vars(exceptions).values()
            if isinstance(one, type) and issubclass(one, UserError)
            if one.__module__ == exceptions.__name__
        ]
        self.assertGreater(len(own), 5)
        for one in own:
            sent = serialize_exception(one("Do this next."))
            self.assertIn(sent["context"].get("exception_class"), DIALOGS, one)
            self.assertEqual(sent["message"], "Do this next.")
