# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Where an event came from that its sender did not write as one."""

from dataclasses import dataclass

from .usage_screen import BrokenEvent, dump


@dataclass(frozen=True, slots=True)
class Origin:
    """The feed or file of an item: ids of source, mapping and upload."""

    source_id: int
    mapping_id: int | None = None
    upload_id: int | None = None


class MappedEvent(dict):
    """An event made of a payload, which is kept instead when it is not stored.

    ``payload``: called without arguments, returns the JSON text of a payload that makes
    this event alone.
    """

    __slots__ = ("origin", "payload")

    def __init__(self, attributes, origin, payload):
        super().__init__(attributes)
        self.origin = origin
        self.payload = payload


class UnmappedPayload(BrokenEvent):
    """A payload that no mapping could make an event of."""

    __slots__ = ()
    code = "mapping_failed"
    message = "{error}"
    is_rejected = False


def get_raw(event) -> str:
    """Return the text of an item of a request that can be replayed from it.

    :param event: as given to ``_ingest``
    """
    if isinstance(event, BrokenEvent):
        return event.text
    return event.payload() if isinstance(event, MappedEvent) else dump(event)
