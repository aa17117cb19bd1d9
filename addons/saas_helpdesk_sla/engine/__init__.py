# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Working time, deadlines and SLA clocks, free of any framework.

Standard library and relative imports only; every instant is an aware datetime and the
clock time ``at`` is always a parameter.
"""

from . import calendar, clock, deadline, errors, intervals, rounds

__all__ = ["calendar", "clock", "deadline", "errors", "intervals", "rounds"]
