# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Meters, price models and rating, free of any framework.

Standard library and relative imports only. ``rating.rate_usage`` prices what was used,
``meter.measure`` is the meaning of a meter over events, ``event.validate`` judges one
incoming event.
"""

from . import (
    aggregate,
    anomaly,
    bucket,
    commitment,
    correction,
    dimension,
    drill,
    entitlement,
    errors,
    event,
    event_pricing,
    filters,
    meter,
    money,
    rating,
    running,
    threshold,
    tiers,
    time_weighted,
    trend,
    wallet,
)
from . import models as price_models

__all__ = [
    "aggregate",
    "anomaly",
    "bucket",
    "commitment",
    "correction",
    "dimension",
    "drill",
    "entitlement",
    "errors",
    "event",
    "event_pricing",
    "filters",
    "meter",
    "money",
    "price_models",
    "rating",
    "running",
    "threshold",
    "tiers",
    "time_weighted",
    "trend",
    "wallet",
]
