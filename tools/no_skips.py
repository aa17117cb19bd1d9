# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A pytest plugin that turns a skipped test into a failed one.

Without a browser, or without a web server, Odoo skips tours and HTTP tests without a
word: a green run then proves nothing. Load it with `-p tools.no_skips`.
"""

import pytest

BROWSER_CURE = "install Chromium (as root: apt-get install chromium)"


def reason_of(longrepr) -> str:
    """Return why a test was skipped, and the cure when a browser is missing."""
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    if "Chrome" in reason or "chromium" in reason:
        reason = f"{reason}\n  cure: {BROWSER_CURE}"
    return reason


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_makereport(item, call):
    """Fail what was skipped; expected failures stay what they are."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which proves nothing: {reason_of(report.longrepr)}"


def pytest_collectreport(report):
    """Fail a module that skips itself while it is collected."""
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which proves nothing: {reason_of(report.longrepr)}"
