# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A person's browser: one window, and everything that goes wrong in it."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect

SIZE = {"width": 1440, "height": 900}
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Words of messages the browser writes although nothing is wrong with a page.
HARMLESS = ("favicon", "ERR_NAME_NOT_RESOLVED", "net::ERR_INTERNET_DISCONNECTED")
PATIENCE = 60_000  # milliseconds

expect.set_options(timeout=PATIENCE)


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium, without its own calls to the internet.

    :raise RuntimeError: there is none
    """
    program = os.environ.get("SAAS_CHROMIUM") or next(
        filter(None, map(shutil.which, PROGRAMS)), None
    )
    if not program:
        raise RuntimeError("Install chromium, or name one in SAAS_CHROMIUM.")
    options = [
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")
    return playwright.chromium.launch(executable_path=program, args=options)


class Window:
    """One browser window with its own session.

    :ivar errors: uncaught exceptions and console errors of all pages so far
    :ivar shots: where pictures go
    """

    def __init__(self, browser: Browser, url: str, shots: Path):
        self.url, self.shots = url, shots
        self.errors: list[str] = []
        self._context = browser.new_context(viewport=SIZE, locale="en-US")
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))
        self.page.on("console", self._heard)

    def _heard(self, message) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} {message.location.get('url', '')}")

    def _note(self, text: str) -> None:
        if not any(word in text for word in HARMLESS):
            self.errors.append(f"{self.page.url} {text}")

    def close(self) -> None:
        """Close the window with its session."""
        self._context.close()

    def sign_in(self, login: str, password: str) -> None:
        """Sign in on the login page; wait for the web client, or the portal."""
        self.page.goto(f"{self.url}/web/login")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click(".oe_login_form button[type=submit]")
        home = self.page.locator(".o_main_navbar, .o_portal_my_home")
        expect(home.first).to_be_visible()

    def open(self, address: str, wait_for: str) -> None:
        """Open an address of the web client and wait for a part of the page."""
        self.page.goto(address if "://" in address else self.url + address)
        expect(self.page.locator(wait_for).first).to_be_visible()
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being loaded and pictures and fonts are there."""
        self.page.wait_for_function(
            "() => !document.querySelector('.o_loading_indicator, .o_view_sample_data"
            " .o_spinner, .o_blockUI')"
        )
        self.page.evaluate("document.fonts.ready.then(() => true)")
        self.page.wait_for_timeout(300)

    def unfold(self) -> None:
        """Open the closed groups of a list."""
        closed = self.page.locator(".o_group_header:not(.o_group_open)")
        while left := closed.count():
            closed.first.click()
            expect(closed).to_have_count(left - 1)
        expect(self.page.locator(".o_data_row").first).to_be_visible()

    def text(self, selector: str = "body") -> str:
        """Return the text a person sees in the first such part."""
        return self.page.locator(selector).first.inner_text()

    def shot(self, name: str, whole: bool = False) -> None:
        """Take a picture of the window, or of the whole page."""
        self.settle()
        self.page.screenshot(
            path=self.shots / f"{name}.png", full_page=whole, animations="disabled"
        )
