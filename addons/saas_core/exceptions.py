# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the suite's core."""

from odoo.exceptions import UserError


class SaasError(UserError):
    """Base of every error the core raises on purpose."""

    # The web client knows dialogs by class name: without this it hides the message of
    # every subclass behind "Something went wrong".
    context = {"exception_class": "odoo.exceptions.UserError"}


class LedgerError(SaasError):
    """Somebody tried to change or forge the event ledger."""


class EventNameError(SaasError):
    """An event name is not ``<noun>.<past participle>``."""


class RetryMethodError(SaasError):
    """A retry method is not a public ``saas_retry_*`` method of the record's model."""


class KpiError(SaasError):
    """A KPI is defined wrongly or returned rows that cannot be stored."""
