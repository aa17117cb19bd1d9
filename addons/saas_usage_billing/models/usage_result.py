# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What became of the events of a request, as a whole and per source."""

from collections import Counter
from dataclasses import dataclass, field

STORED = "stored"
DUPLICATE = "duplicate"
QUARANTINED = "quarantined"
REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one event of a request.

    ``source_id`` is None when no source of the company sent it.
    """

    index: int
    event_id: str | None
    status: str
    code: str
    message: str
    source_id: int | None = None

    def as_dict(self):
        """Return the entry of the API answer."""
        return {
            "index": self.index,
            "id": self.event_id,
            "status": self.status,
            "code": self.code,
            "message": self.message,
        }


@dataclass(slots=True)
class IngestResult:
    """The answer to a request: counts, and every event that was not stored.

    ``received = stored + duplicate + quarantined``; rejected events are the part of the
    quarantined ones that have no identity and so cannot be replayed.

    ``batch_ids`` has the number of the request per source id, None for events of no
    known source; ``received`` how many events each sent, ``times`` the first and the
    last event time stored of each (naive UTC text). ``row_min``: no event of the
    request has a lower number. A dry run has no numbers. ``stored_ids`` are the ids the
    request stored, ``is_waiting`` says that something is in quarantine,
    ``is_follow_up`` that these waited for events of this transaction.
    """

    correlation_id: str
    is_dry_run: bool = False
    is_follow_up: bool = False
    batch_ids: dict = field(default_factory=dict)
    codes: dict = field(default_factory=dict)
    received: Counter = field(default_factory=Counter)
    times: dict = field(default_factory=dict)
    row_min: int | None = None
    stored_ids: list = field(default_factory=list)
    is_waiting: bool = False
    events: list = field(default_factory=list)
    outcomes: list = field(default_factory=list)

    @property
    def batch_id(self):
        """Return the number of the request's first source."""
        return next(iter(self.batch_ids.values()), None)

    @property
    def counts(self):
        """Return received, stored, duplicate, quarantined and rejected."""
        statuses = Counter(outcome.status for outcome in self.outcomes)
        return _make_counts(len(self.events), statuses)

    @property
    def counts_by_source(self):
        """Return the counts per source id; they add up to ``counts``."""
        statuses = {source_id: Counter() for source_id in self.batch_ids}
        for outcome in self.outcomes:
            statuses[outcome.source_id][outcome.status] += 1
        return {
            source_id: _make_counts(self.received[source_id], own)
            for source_id, own in statuses.items()
        }

    def as_answer(self, everything=False):
        """Return the body of the API answer.

        :param bool everything: list stored events, too
        """
        entries = {outcome.index: outcome.as_dict() for outcome in self.outcomes}
        if everything:
            for index, event in enumerate(self.events):
                if index not in entries:
                    entries[index] = Outcome(
                        index, event["id"], STORED, STORED, ""
                    ).as_dict()
        return {
            **self.counts,
            "batch_id": self.batch_id,
            "batch_ids": [
                {"source": self.codes.get(source_id), "batch_id": batch_id}
                for source_id, batch_id in self.batch_ids.items()
            ],
            "correlation_id": self.correlation_id,
            "dry_run": self.is_dry_run,
            "events": [entries[index] for index in sorted(entries)],
        }


def _make_counts(received, statuses):
    rejected = statuses[REJECTED]
    quarantined = statuses[QUARANTINED] + rejected
    return {
        "received": received,
        "stored": received - statuses[DUPLICATE] - quarantined,
        "duplicate": statuses[DUPLICATE],
        "quarantined": quarantined,
        "rejected": rejected,
    }
