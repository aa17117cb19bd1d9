# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the engine: plain exceptions, translated by the models."""


class EngineError(Exception):
    """Base of everything the engine refuses."""


class QuantityError(EngineError):
    """A quantity or amount is unusable: negative, not finite, not exact."""


class TierError(EngineError):
    """Tiers are empty, unordered, closed at the end or negative."""


class TermsError(EngineError):
    """The terms of a price contradict themselves or miss something."""


class AggregationError(EngineError):
    """Unknown aggregation, or events it cannot be taken of."""
