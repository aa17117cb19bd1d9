# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Settings of the property tests: stable by default, wide on request.

``HYPOTHESIS_PROFILE=wide`` looks at many more, random examples.
"""

import os

from hypothesis import HealthCheck, settings

# A loaded machine must not fail a test, so no example has a time limit.
_SLOW = [HealthCheck.too_slow]
settings.register_profile(
    "stable",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "wide",
    database=None,
    deadline=None,
    max_examples=500,
    suppress_health_check=_SLOW,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stable"))
