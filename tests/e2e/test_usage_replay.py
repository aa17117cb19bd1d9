# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A web access log becomes invoices; the truth is what ``awk`` and ``sort`` count.

Every client address of the log is used by a subscription: the busiest have one of
their own, the others share one. The odd lines arrive in time, the even ones after the
invoices are posted. ``SAAS_REPLAY_CLIENTS`` sets how many have their own.
"""

import gzip
import os
import random
import subprocess
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from tests.e2e.usage_stage import Figures, Meter, UsageStage, difference
from tools.story.access_log import moved
from tools.story.usage_client import cloud_event

CLIENTS = int(os.environ.get("SAAS_REPLAY_CLIENTS", "40"))
SOURCE = "replayed-log"
OTHERS = "others"
METERS = {
    "requests": Meter("count", None, Decimal("0.013")),
    "bytes": Meter("sum", "bytes", Decimal("0.0000017")),
    "pages": Meter("unique", "path", Decimal("0.29")),
    "largest": Meter("max", "bytes", Decimal("0.000003")),
}
# What the log says, one word each: owner, bytes, path. Lines of the wanted half only.
_LINES = """
NR == FNR { owner[$1] = $1; next }
half == "all" || FNR % 2 == (half == "odd") {
    split($0, part, "\\""); split(part[3], word, " ")
    print (($1 in owner) ? $1 : others), word[2] + 0, $7
}
"""
_FIGURES = """
{ count[$1]++; sum[$1] += $2; if ($2 > most[$1]) most[$1] = $2 }
END { for (o in count) printf("%s %d %.0f %.0f\\n", o, count[o], sum[o], most[o]) }
"""
_PAGES = "awk '{print $1, $3}' lines | sort -u | cut -d' ' -f1 | uniq -c"


def count_with_tools(log, owners: list[str], folder, half: str) -> Figures:
    """Count the log with standard tools.

    :param half: odd, even, or all lines
    :return: quantities
    """
    (folder / "log").write_bytes(gzip.open(log).read())
    (folder / "owners").write_text("\n".join(owners) + "\n")
    options = ["-v", f"half={half}", "-v", f"others={OTHERS}"]
    lines = _run(["awk", *options, _LINES, "owners", "log"], folder)
    (folder / "lines").write_text(lines)
    result = defaultdict(dict)
    for row in _run(["awk", _FIGURES, "lines"], folder).splitlines():
        owner, *numbers = row.split()
        names = ("requests", "bytes", "largest")
        result[owner] = dict(zip(names, map(Decimal, numbers), strict=True))
    for row in _run(["sh", "-c", _PAGES], folder).splitlines():
        number, owner = row.split()
        result[owner]["pages"] = Decimal(number)
    return result


def _run(command, folder) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def half_of(world, remainder: int):
    """Yield the odd (1) or even (0) lines of the log as events, shuffled."""
    lines = [line for line in world.requests if line.number % 2 == remainder]
    random.Random(remainder).shuffle(lines)
    for line in lines:
        event = cloud_event(line, world.month, SOURCE)
        yield event["id"], line.host, moved(line.at, world.month), event["data"]


@pytest.fixture(scope="module")
def hosts(world):
    """All client addresses, the busiest first."""
    number = Counter(request.host for request in world.requests)
    return sorted(number, key=lambda host: (-number[host], host))


@pytest.fixture(scope="module")
def stage(world, hosts):
    """A stage with an owner per busy address, before the first event."""
    made = UsageStage(world, SOURCE, METERS)
    busy = hosts[:CLIENTS]
    made.make([*busy, OTHERS])
    made.tie({host: host if host in made.subscriptions else OTHERS for host in hosts})
    return made


def test_invoices_are_what_standard_tools_count(world, stage, hosts, tmp_path):
    """One test: what is late is late for the invoices before."""
    busy = hosts[:CLIENTS]
    odd = stage.priced(count_with_tools(world.log, busy, tmp_path, "odd"))
    quantities = count_with_tools(world.log, busy, tmp_path, "all")
    whole = stage.priced(quantities)
    requests = sum(of["requests"] for of in quantities.values())
    assert requests == len(world.requests)

    assert stage.send(half_of(world, 1)) == []
    first = stage.bill()
    assert stage.charged() == odd

    # Late: all of it belongs to a month that is invoiced.
    assert stage.send(half_of(world, 0)) == []
    later = stage.bill()
    assert stage.charged() == whole
    assert stage.charged(first) == odd
    assert stage.charged(later) == difference(whole, odd)

    # Once more, all of it: every event is known.
    assert stage.send(half_of(world, 1)) == stage.send(half_of(world, 0)) == []
    assert stage.stored() == requests
    assert stage.charged(stage.bill()) == {}
