# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Errors of the engine: plain exceptions, translated by the models."""


class EngineError(Exception):
    """Base of everything the engine refuses."""


class IntervalError(EngineError):
    """An instant is naive, or an interval ends before it starts."""


class CalendarError(EngineError):
    """A calendar's zone, hours or holidays are unusable."""


class TargetError(EngineError):
    """A target, boundary or offset is unusable."""


class HorizonError(EngineError):
    """No working time is left within the horizon, so nothing can become due."""


class EventLogError(EngineError):
    """The event log of a ticket is unusable: unknown kind or no creation."""
