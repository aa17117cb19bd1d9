# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the daily check of onboardings knows of many projects at once."""

from dataclasses import dataclass, field
from datetime import date, timedelta

FACTS = "saas_check_facts"
# Ranges asked for grow from project to project: read ahead.
DAYS_BEFORE = timedelta(days=60)
DAYS_AFTER = timedelta(days=180)


@dataclass(slots=True)
class CheckFacts:
    """What is known of a batch of projects, as of the beginning of its check.

    Values and ids only: they outlive the cache, which a failing project empties.

    :param tasks: ids of all tasks by project, archived ones too
    :param started: day of the first hours by task
    :param booked: day of the last hours by project
    :param written: last message of a person by (model, id)
    :param created: first message by (model, id)
    :param waits: ids of the open waits by (field, id), None when they changed since
    :param intervals: first and last day known and working intervals, by company
    """

    tasks: dict = field(default_factory=dict)
    task_ids: tuple = ()
    started: dict = field(default_factory=dict)
    booked: dict = field(default_factory=dict)
    written: dict = field(default_factory=dict)
    created: dict = field(default_factory=dict)
    waits: dict | None = None
    intervals: dict = field(default_factory=dict)

    def get_intervals(self, company, first: date, last: date, read):
        """Return the working intervals of a company in a range, read at most once.

        :param company: ``res.company``
        :param date first: first day needed
        :param date last: last day needed
        :param read: callable, gets the first and the last day to read
        :return: what ``read`` returned, for the days asked for or more
        """
        have = self.intervals.get(company.id)
        if not have or first < have[0] or last > have[1]:
            begin, end = first - DAYS_BEFORE, last + DAYS_AFTER
            if have:
                begin, end = min(begin, have[0]), max(end, have[1])
            # Whole weeks: some calendars count hours by the week.
            begin -= timedelta(days=begin.weekday())
            have = self.intervals[company.id] = (begin, end, read(begin, end))
        return have[2]
