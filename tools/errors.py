# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What can go wrong in the commands; every error names its cure."""

from __future__ import annotations

from pathlib import Path


class ToolError(Exception):
    """A command cannot go on.

    :param str message: what is wrong, one sentence
    :param str cure: what the reader does about it
    """

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        lines = [f"error: {self.message}"]
        if self.cure:
            lines.append(f"  cure: {self.cure}")
        return "\n".join(lines)


class CommandError(ToolError):
    """A program that was started ended badly.

    :param str what: the step that failed, for the reader
    :param int status: its exit status
    :param Path log: the file with everything it said
    :param str tail: the last lines of that file
    """

    def __init__(
        self, what: str, status: int, log: Path, tail: str, cure: str = ""
    ) -> None:
        super().__init__(
            f"{what} failed with status {status}",
            cure or f"the lines above tell why; the whole log is {log}",
        )
        self.status = status
        self.log = log
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.tail}\n{super().__str__()}" if self.tail else super().__str__()


class MissingProgramError(ToolError):
    """A program of the system is not there and cannot be installed from here."""


class PythonError(ToolError):
    """The Python environment cannot be built."""


class OdooSourceError(ToolError):
    """No usable Odoo 19 was found."""


class PostgresError(ToolError):
    """The private PostgreSQL cluster cannot be used."""


class PortTakenError(ToolError):
    """A port that was asked for belongs to another program."""


class DiskFullError(ToolError):
    """There is too little room for what the next step writes."""


class NetworkError(ToolError):
    """Something must be downloaded, and the network does not answer."""


class UnsafeDirectoryError(ToolError):
    """A directory we would use belongs to somebody else."""
