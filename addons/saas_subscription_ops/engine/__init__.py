# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Money, periods, proration and proposed charges, free of any framework.

Standard library and relative imports only; nothing here reads a clock, a
database or a file, so the same inputs give the same cents at any time.
"""

from . import (
    contract_value,
    coupon,
    errors,
    ledger,
    money,
    onboarding,
    period,
    proposal,
    proration,
    renewal,
    service,
    terms,
    timeline,
    variance,
    waiting,
)

__all__ = [
    "contract_value",
    "coupon",
    "errors",
    "ledger",
    "money",
    "onboarding",
    "period",
    "proposal",
    "proration",
    "renewal",
    "service",
    "terms",
    "timeline",
    "variance",
    "waiting",
]
