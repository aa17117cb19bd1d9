# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Say what happened, with figures and addresses, and stop at the first untruth."""

import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TextIO


class StoryError(Exception):
    """A figure or state of the story is not what it must be."""


def shown(value: Any) -> str:
    """Return a value as the report writes it: thousands with commas, no floats."""
    if isinstance(value, Decimal):
        return f"{value:,}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


@dataclass
class Report:
    """The printed story and what it found.

    :ivar checks: number of equalities that held
    :ivar links: ``{title: address}`` of the records, in the order they appeared
    :ivar rows: lines of the closing table
    """

    out: TextIO = field(default_factory=lambda: sys.stdout)
    checks: int = 0
    links: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def say(self, text: str = "") -> None:
        """Print one line."""
        print(text, file=self.out, flush=True)

    def step(self, number: int, title: str) -> None:
        """Open a numbered step."""
        self.say(f"\n{number}. {title}")

    def fact(self, text: str) -> None:
        """Print something that happened."""
        self.say(f"   · {text}")

    def detail(self, text: str) -> None:
        """Print a line below the last one, such as a row of a preview."""
        self.say(f"       {text}")

    def same(self, what: str, got: Any, want: Any) -> None:
        """Print a tick when two figures are equal.

        :raise StoryError: they are not; both are in the text
        """
        if got != want:
            raise StoryError(f"{what}: got {shown(got)}, expected {shown(want)}.")
        self.checks += 1
        self.say(f"   ✓ {what}: {shown(got)}")

    def true(self, what: str, holds: Any, otherwise: str = "") -> None:
        """Print a tick when something holds.

        :raise StoryError: it does not
        """
        if not holds:
            raise StoryError(f"Not so: {what}. {otherwise}".strip())
        self.checks += 1
        self.say(f"   ✓ {what}")

    def link(self, title: str, address: str) -> None:
        """Print and keep the address of a record."""
        self.links[title] = address
        self.say(f"   → {title}: {address}")

    def row(self, what: str, figure: Any) -> None:
        """Keep a line for the closing table."""
        self.rows.append((what, shown(figure)))

    def table(self) -> None:
        """Print the kept lines."""
        width = max((len(what) for what, _figure in self.rows), default=0)
        self.say()
        for what, figure in self.rows:
            self.say(f"   {what:<{width}}  {figure:>14}")

    @property
    def seconds(self) -> float:
        """Seconds since the report began."""
        return time.monotonic() - self._started
