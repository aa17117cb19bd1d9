# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the support module, all shown to the user as plain messages."""

from odoo.exceptions import UserError


class SlaError(UserError):
    """Base of every error this module raises."""

    # The web client knows dialogs by class name: without this it hides the message of
    # every subclass behind "Something went wrong".
    context = {"exception_class": "odoo.exceptions.UserError"}


class SlaCalendarError(SlaError):
    """No deadline can be computed: the calendar has no working time to offer."""


class SlaLogError(SlaError):
    """Somebody tried to change the append-only ticket log."""
