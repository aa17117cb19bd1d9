# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of usage billing that a person or an API client sees."""

from odoo.exceptions import UserError, ValidationError


class UsageError(UserError):
    """Base of the module's errors."""

    # The web client knows dialogs by class name: without this it hides the message of
    # every subclass behind "Something went wrong".
    context = {"exception_class": "odoo.exceptions.UserError"}


class UsageStoreError(UsageError):
    """The usage store is append-only, or a record is still needed by it."""


class UsagePriceError(UsageError, ValidationError):
    """A price cannot be used as it is configured."""


class UsageReplayError(UsageError):
    """A quarantined event still cannot be stored."""


class UsageHoldError(UsageError):
    """A hold can't be changed or released like that."""


class WalletError(UsageError):
    """Prepaid credit can't be granted, used or changed like that."""


class UsageMappingError(UsageError):
    """A source mapping does not do what is asked of it."""


class UsageUploadError(UsageError):
    """A file of usage can't be read or imported like that."""


class AmbiguousSubjectError(UsageError):
    """Several customers are known by the name that was given."""
