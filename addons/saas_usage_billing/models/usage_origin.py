# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Where an event came from that its sender did not write as one."""

from dataclasses import dataclass

from .usage_said import store_said
from .usage_screen import BrokenEvent, dump


@dataclass(frozen=True, slots=True)
class Origin:
    """The feed or file of an item: ids of source, mapping and upload.

    ``row``: number in the file. ``repeat``: how many rows like it there were by then;
    the same row twice in a file is two events.
    """

    source_id: int
    mapping_id: int | None = None
    upload_id: int | None = None
    row: int = 0
    repeat: int = 1

    def mark(self, text: str) -> str:
        """Tell an identity of content from that of rows like it.

        :param text: made of the content alone
        """
        return f"{text}-{self.repeat}" if self.repeat > 1 else text


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


class FileEvent(dict):
    """An event that stands in a file as it is."""

    __slots__ = ("origin",)

    def __init__(self, attributes, origin):
        super().__init__(attributes)
        self.origin = origin


class BrokenRow(BrokenEvent):
    """A row of a file that can't be read."""

    __slots__ = ()
    code = "broken_row"
    message = "{error}."


class UnmappedPayload(BrokenEvent):
    """A payload that no mapping could make an event of."""

    __slots__ = ()
    code = "mapping_failed"
    message = "{error}"
    is_rejected = False


def get_origin_vals(event) -> dict:
    """Return what the quarantine notes of where an item came from.

    :param event: as given to ``_ingest``
    """
    origin = getattr(event, "origin", None) or Origin(None)
    is_payload = isinstance(event, MappedEvent | UnmappedPayload)
    return {
        "feed_source_id": origin.source_id if is_payload else None,
        "mapping_id": origin.mapping_id,
        "upload_id": origin.upload_id,
        "upload_row": origin.row,
        "upload_repeat": origin.repeat,
        "said": store_said(event.error) if isinstance(event, BrokenEvent) else None,
    }


def get_raw(event) -> str:
    """Return the text of an item of a request that can be replayed from it.

    :param event: as given to ``_ingest``
    """
    if isinstance(event, BrokenEvent):
        return event.text
    return event.payload() if isinstance(event, MappedEvent) else dump(event)
