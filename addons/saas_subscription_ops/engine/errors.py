# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the engine: plain exceptions, translated by the models."""


class EngineError(Exception):
    """Base of everything the engine refuses."""


class MoneyError(EngineError):
    """An amount, weight or rounding unit is unusable."""


class PeriodError(EngineError):
    """A recurrence, anchor or interval is unusable."""


class ProrationError(EngineError):
    """A proration policy or slice is unusable."""


class TermsError(EngineError):
    """The terms of a plan or line contradict themselves."""


class TimelineError(EngineError):
    """A dated change does not fit the terms it changes."""


class WaitingError(EngineError):
    """An interval of waiting is unusable."""


class OnboardingPlanError(EngineError):
    """A plan of tasks is unusable, or the calendar too short for it."""
