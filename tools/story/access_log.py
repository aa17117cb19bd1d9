# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Read, move, make and count web access logs in the combined format.

The log stands for the product of the demo company: one line is one API call of
the client address in its first column. Nothing here talks to a server.
"""

import gzip
import random
import re
import shutil
import subprocess
from calendar import monthrange
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

#: Addresses ending so belong to no customer until somebody assigns them.
UNASSIGNED_SUFFIX = ".250"

_LINE = re.compile(
    r'^(?P<host>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r"(?P<status>\d{3}) (?P<size>\d+|-)"
)
_IPV4 = re.compile(r"^\d{1,3}(?:\.\d{1,3}){3}$")

# The same rules for awk, so that a figure can be counted without this program.
_AWK_CUSTOMER = (
    "function customer(h, o) {"
    " if (h ~ /^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$/)"
    ' { split(h, o, "."); return (o[1] + o[2] + o[3] + o[4]) % n }'
    " return length(h) % n }"
)
_AWK_FREE = "$1 !~ /[.]250$/"


class LogError(Exception):
    """A log file cannot be read or has a line of another shape."""


@dataclass(frozen=True)
class Request:
    """One line of the log.

    :ivar number: line number in the file, from 1; part of the event's id, since
        the log holds identical lines that are different requests
    :ivar host: client address as written
    :ivar at: aware datetime of the request
    :ivar size: bytes sent, 0 where the log says ``-``
    """

    number: int
    host: str
    at: datetime
    method: str
    path: str
    status: int
    size: int


def find_log(root: Path, given: str | None = None) -> Path | None:
    """Return the log to replay, or None when a made one must do.

    :param root: project root
    :param given: a path the user named; it must exist
    :raise LogError: the named file does not exist
    """
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise LogError(
                f"There is no log file at {path}. Correct SAAS_ACCESS_LOG (or --log), "
                "or leave it empty to use a generated log."
            )
        return path
    shared = root.parent / "shared" / "data" / "apache_access.log.gz"
    return shared if shared.is_file() else None


def _open(path: Path):
    opener = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8", errors="replace")


def parse_line(number: int, line: str) -> Request:
    """Parse one line of the combined log format.

    :raise LogError: the line has another shape; names its number
    """
    found = _LINE.match(line)
    if not found:
        raise LogError(f"Line {number} is not in the combined log format: {line[:80]}")
    words = found["request"].split(" ")
    size = found["size"]
    return Request(
        number=number,
        host=found["host"],
        at=datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z"),
        method=words[0],
        path=words[1] if len(words) > 1 else "",
        status=int(found["status"]),
        size=0 if size == "-" else int(size),
    )


def read_log(path: Path) -> list[Request]:
    """Return all requests of a plain or gzipped log, in file order.

    :raise LogError: unreadable file or line
    """
    try:
        with _open(path) as lines:
            return [parse_line(n, line) for n, line in enumerate(lines, 1)]
    except OSError as error:
        raise LogError(f"The log {path} cannot be read: {error}") from error


def last_complete_month(today: date) -> date:
    """Return the first day of the calendar month before ``today``."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def parse_month(text: str) -> date:
    """Return the first day of a month written ``YYYY-MM``.

    :raise LogError: another form
    """
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError as error:
        raise LogError(f"Write the month as YYYY-MM, not {text!r}.") from error


def moved(at: datetime, month: date) -> datetime:
    """Move a time into another month, keeping day and time of day.

    A day the month does not have becomes its last day.
    """
    day = min(at.day, monthrange(month.year, month.month)[1])
    return at.replace(year=month.year, month=month.month, day=day)


def customer_index(host: str, customers: int) -> int:
    """Return which customer a client address belongs to, from 0.

    IPv4: sum of the four octets modulo the number of customers. Any other host:
    its length modulo the number of customers.
    """
    if _IPV4.match(host):
        return sum(int(octet) for octet in host.split(".")) % customers
    return len(host) % customers


def is_assigned(host: str) -> bool:
    """Tell whether the rule gives the address to a customer at all."""
    return not host.endswith(UNASSIGNED_SUFFIX)


def assignment(requests: list[Request], customers: int) -> dict[str, int]:
    """Return ``{client address: customer index}`` of all assigned addresses."""
    hosts = {request.host for request in requests}
    return {
        host: customer_index(host, customers)
        for host in sorted(hosts)
        if is_assigned(host)
    }


def unassigned(requests: list[Request]) -> dict[str, int]:
    """Return ``{client address: number of requests}`` of unassigned addresses."""
    return dict(Counter(r.host for r in requests if not is_assigned(r.host)))


# --- counting, apart from everything the suite does ---------------------------


@dataclass(frozen=True)
class Counts:
    """What the log holds, by customer index and by unassigned address."""

    total: int
    clients: int
    calls: dict[int, int]
    sizes: dict[int, int]
    free: dict[str, int]
    free_sizes: dict[str, int]
    tool: str


def count_log(path: Path, customers: int) -> Counts:
    """Count calls and bytes per customer with awk, or in Python without it."""
    if shutil.which("awk"):
        return _count_with_awk(path, customers)
    return _count_in_python(path, customers)


def _awk(path: Path, program: str, *options: str) -> list[list[str]]:
    with subprocess.Popen(
        ["awk", *options, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as awk:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw:
            output, _errors = awk.communicate(raw.read())
    if awk.returncode:
        raise LogError(f"awk could not count {path}.")
    return [line.split() for line in output.decode().splitlines()]


def _count_with_awk(path: Path, customers: int) -> Counts:
    # Field 10 counts words, so take the size after the closing quote of the request.
    size = 'function size(l, p, w) { split(l, p, "\\""); split(p[3], w, " ");'
    size += " return w[2] + 0 }"
    modulo = ["-v", f"n={customers}"]
    body = "{ k = %s; c[k]++; s[k] += size($0) }"
    body += ' END { for (k in c) printf("%%s %%d %%.0f\\n", k, c[k], s[k]) }'
    total, clients = _awk(path, "{ if (!seen[$1]++) d++ } END { print NR + 0, d + 0 }")[
        0
    ]
    owned = _awk(
        path, f"{_AWK_CUSTOMER}{size}{_AWK_FREE}{body % 'customer($1)'}", *modulo
    )
    free = _awk(path, f"{size}!({_AWK_FREE}){body % '$1'}")
    return Counts(
        total=int(total),
        clients=int(clients),
        calls={int(key): int(calls) for key, calls, _size in owned},
        sizes={int(key): int(size) for key, _calls, size in owned},
        free={key: int(calls) for key, calls, _size in free},
        free_sizes={key: int(size) for key, _calls, size in free},
        tool="awk",
    )


def _count_in_python(path: Path, customers: int) -> Counts:
    calls, sizes, free, free_sizes = Counter(), Counter(), Counter(), Counter()
    hosts, total = set(), 0
    with _open(path) as lines:
        for line in lines:
            total += 1
            host = line.split(" ", 1)[0]
            hosts.add(host)
            word = line.split('"')[2].split()[1]
            size = int(word) if word.isdigit() else 0
            if is_assigned(host):
                key = customer_index(host, customers)
                calls[key] += 1
                sizes[key] += size
            else:
                free[host] += 1
                free_sizes[host] += size
    return Counts(
        total=total,
        clients=len(hosts),
        calls=dict(calls),
        sizes=dict(sizes),
        free=dict(free),
        free_sizes=dict(free_sizes),
        tool="Python",
    )


# --- a made log of the same shape --------------------------------------------

_PATHS = ("/v1/search", "/v1/items", "/v1/items/42", "/v1/export", "/v1/status")


def generate_log(path: Path, requests: int = 10_000, clients: int = 1_753) -> Path:
    """Write a log of the shape of the real one; the same bytes every time.

    :param requests: lines, over four days from 17 May 2015, 10:05 UTC
    :param clients: different addresses, each used at least once, few of them often
    """
    pick = random.Random(20150517)  # noqa: S311 - repeatable on purpose
    hosts = _made_hosts(pick, clients)
    weights = [1 / rank for rank in range(1, clients + 1)]
    used = hosts + pick.choices(hosts, weights, k=requests - clients)
    pick.shuffle(used)
    start = datetime(2015, 5, 17, 10, 5, tzinfo=timezone.utc)
    seconds = sorted(pick.randrange(83 * 3600) for _line in used)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as log:
        for host, second in zip(used, seconds, strict=True):
            log.write(_made_line(pick, host, start + timedelta(seconds=second)))
    return path


def _made_hosts(pick: random.Random, clients: int) -> list[str]:
    # Four unassigned addresses, as many as the real log has of that ending.
    hosts = {f"198.51.{number}.250" for number in range(4)}
    while len(hosts) < clients:
        hosts.add(".".join(str(pick.randrange(1, 250)) for _octet in range(4)))
    rare = sorted(host for host in hosts if not is_assigned(host))
    often = sorted(hosts.difference(rare))
    pick.shuffle(often)
    return often + rare


def _made_line(pick: random.Random, host: str, at: datetime) -> bytes:
    size = "-" if pick.random() < 0.067 else str(int(pick.lognormvariate(9, 1.6)))
    return (
        f'{host} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {pick.choice(_PATHS)} '
        f'HTTP/1.1" 200 {size} "-" "made/1.0"\n'
    ).encode()
