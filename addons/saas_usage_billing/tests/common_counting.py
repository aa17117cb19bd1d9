# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone
from unittest.mock import patch

from ..models.usage_bucket_read import Asked, find_countable
from ..models.usage_store_api import get_store
from .common import UsageCase

FIRST = date(2026, 3, 1)
LAST = date(2026, 4, 1)
NOW = datetime(2026, 3, 31, 12, tzinfo=timezone.utc)


class CountingCase(UsageCase):
    """Usage world whose events are counted by hand."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.counting = cls.env["saas.usage.counting"]
        cls.startClassPatcher(
            patch.object(type(cls.counting), "_get_today", lambda _self: NOW.date())
        )

    def count_all(self):
        while self.counting._count():
            pass
        while self.counting._extend():
            pass

    def get_days(self, subscription=None, first=FIRST, last=LAST):
        return (subscription or self.subscription)._make_days(first, last)

    def is_countable(self, meter, subscription=None, **kwargs):
        period = self.get_days(subscription)
        (counted,) = meter._get_counted()
        spec = meter._get_spec(**kwargs)
        return find_countable(self.env, [Asked(counted, spec, period)])[0]

    def forbid_raw(self):
        """Make reading events a failure."""

        def refuse(_store, _spec, windows, _bounds=None):
            self.assertFalse(list(windows))
            return []

        self.patch(type(get_store(self.env)), "aggregate", refuse)
