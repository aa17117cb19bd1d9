# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The stage of the story: server, people, customers, log and month."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import cached_property
from pathlib import Path

from .access_log import (
    Counts,
    LogError,
    Request,
    count_log,
    find_log,
    generate_log,
    last_complete_month,
    read_log,
)
from .odoo_client import Odoo
from .report import Report, StoryError

#: Code of the usage source, and of the rows that tie client addresses to customers.
SOURCE = "access-log"
MAIN_CUSTOMER = "C00"


@dataclass(frozen=True)
class Customer:
    """One customer account of the demo company.

    :ivar index: what the rule for client addresses gives, from 0
    """

    index: int
    ref: str
    name: str
    partner_id: int
    signatory_id: int
    signatory: str


@dataclass
class Access:
    """Logins of the demo people and the key of the usage feed."""

    password: str
    usage_key: str
    users: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> "Access":
        """Read the file the installation wrote.

        :raise StoryError: it is missing or incomplete
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(data["password"], data["usage_key"], data["users"])
        except (OSError, ValueError, KeyError) as error:
            raise StoryError(
                f"The logins of the demo company are not in {path} ({error}). "
                "Write them again with tools/demo_access.py in an Odoo shell."
            ) from error


@dataclass
class World:
    """Everything a step needs.

    :ivar origin: what the log is, for the reader
    :ivar month: first day of the month the log is moved into; None until the story
        knows whether an earlier run has chosen one
    """

    url: str
    database: str
    access: Access
    log: Path
    report: Report
    origin: str = "access log"
    month: date | None = None
    today: date = field(default_factory=lambda: datetime.now(timezone.utc).date())
    sessions: dict[str, Odoo] = field(default_factory=dict)

    def as_(self, role: str) -> Odoo:
        """Return the web session of one person, signing in on first use."""
        if role not in self.sessions:
            login = self.access.users.get(role)
            if not login:
                raise StoryError(f"There is no demo user for the role {role}.")
            self.sessions[role] = Odoo(self.url).sign_in(
                self.database, login, self.access.password
            )
        return self.sessions[role]

    @cached_property
    def requests(self) -> list[Request]:
        """All lines of the log."""
        return read_log(self.log)

    @cached_property
    def counts(self) -> Counts:
        """The log counted apart from the suite."""
        return count_log(self.log, len(self.customers))

    @cached_property
    def customers(self) -> list[Customer]:
        """The customer accounts in the order of the rule for client addresses."""
        admin = self.as_("administrator")
        accounts = admin.rows(
            "res.partner",
            [("ref", "=like", "C__"), ("is_company", "=", True)],
            ["ref", "name"],
            order="ref",
        )
        people = admin.rows(
            "res.partner",
            [("parent_id", "in", [row["id"] for row in accounts])],
            ["name", "parent_id"],
            order="id desc",
        )
        signatory = {row["parent_id"][0]: row for row in people}
        customers = [
            Customer(
                index=index,
                ref=row["ref"],
                name=row["name"],
                partner_id=row["id"],
                signatory_id=signatory[row["id"]]["id"],
                signatory=signatory[row["id"]]["name"],
            )
            for index, row in enumerate(accounts)
        ]
        if [c.ref for c in customers] != [f"C{n:02d}" for n in range(len(customers))]:
            raise StoryError("The demo customers C00, C01 ... are not complete.")
        return customers

    @property
    def main(self) -> Customer:
        """The customer the story follows."""
        return self.customers[0]

    @property
    def month_end(self) -> date:
        """First day after the month of the log."""
        return next_month(self.month)

    def default_month(self) -> date:
        """Return the month the log moves into when nobody says another."""
        return last_complete_month(self.today)


def next_month(day: date) -> date:
    """Return the first day of the month after the one of ``day``."""
    year, month = divmod(day.year * 12 + day.month, 12)
    return date(year, month + 1, 1)


def choose_log(root: Path, given: str | None, made: Path) -> tuple[Path, str]:
    """Return the log to replay and where it came from, making one when needed.

    :param root: project root
    :param given: path the user named, if any
    :param made: where to write a generated log
    """
    try:
        found = find_log(root, given)
    except LogError as error:
        raise StoryError(str(error)) from error
    if found:
        return found, "access log"
    return (made if made.is_file() else generate_log(made)), "generated access log"
