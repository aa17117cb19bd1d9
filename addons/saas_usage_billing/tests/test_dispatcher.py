# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import psycopg2

from odoo.exceptions import AccessDenied
from odoo.tests import BaseCase, tagged

from ..controllers.dispatcher import SaasRestDispatcher


@tagged("post_install", "-at_install")
class TestDispatcher(BaseCase):
    """What fails is told by its own name."""

    def answer(self, error, cause=None):
        """Return status and code of the answer to an error raised behind another."""
        error.__context__ = cause
        found = SaasRestDispatcher._get_api_error(None, error)
        return found.code, found.error

    def test_wrong_key(self):
        self.assertEqual(self.answer(AccessDenied()), (401, "unauthorized"))
        self.assertEqual(
            self.answer(AccessDenied(), ValueError()), (401, "unauthorized")
        )

    def test_key_that_could_not_be_looked_at(self):
        for cause in (
            psycopg2.OperationalError("server closed the connection unexpectedly"),
            psycopg2.InterfaceError("connection already closed"),
        ):
            self.assertEqual(self.answer(AccessDenied(), cause), (503, "try_again"))
