# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the subscription module, all shown to a person."""

from odoo.exceptions import UserError, ValidationError


class SubscriptionError(UserError):
    """Base of everything this module refuses."""

    # The web client knows dialogs by class name: without this it hides the message of
    # every subclass behind "Something went wrong".
    context = {"exception_class": "odoo.exceptions.UserError"}


class TransitionError(SubscriptionError):
    """The state chart does not know this step."""


class AmendmentError(SubscriptionError):
    """The change can't be made, or not on that day."""


class QuoteError(SubscriptionError):
    """The quotation can't become a valid subscription."""


class CouponError(SubscriptionError):
    """The coupon can't be granted, or no longer be changed."""


class HistoryError(SubscriptionError):
    """The rows of an imported history can't be used."""


class OnboardingError(SubscriptionError):
    """The onboarding project can't be made from its template."""


class OnboardingDocumentError(OnboardingError):
    """A document can't take this step or file, or a milestone still waits for one."""


class HandoverError(SubscriptionError):
    """The handover is not complete, or not for this person to change."""


class ChangeRequestError(SubscriptionError):
    """The change request can't be estimated, quoted or accepted."""


class GoLiveError(SubscriptionError):
    """The project can't go live yet, or not be taken back."""


class RenewalError(SubscriptionError):
    """The renewal or its forecast can't be changed like that."""


class DocumentError(SubscriptionError):
    """The signed document could not be produced."""


class BillingError(SubscriptionError):
    """A charge can't be proposed, booked or invoiced."""


class PreviewChangedError(BillingError):
    """What is due now differs from what was approved."""


class LedgerError(ValidationError):
    """Somebody tries to change what was booked or billed."""

    context = {"exception_class": "odoo.exceptions.ValidationError"}
