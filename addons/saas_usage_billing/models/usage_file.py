# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Read the rows of a CSV or NDJSON file from any place on, plain or gzipped.

A broken row is one of the rows; a file that is broken altogether raises an error that
names the line.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from odoo.tools.translate import LazyTranslate

from .usage_json import load_flat
from .usage_origin import BrokenRow
from .usage_said import SaidError

_lt = LazyTranslate(__name__)

MAX_BYTES = 200 * 1024 * 1024
#: Of one line: a file that is no text at all must not be read in one piece.
MAX_LINE = 1024 * 1024
MAX_COLUMNS = 1_000
DELIMITERS = ",;\t"
_GZIP = b"\x1f\x8b"


class UsageFileError(SaidError):
    """The file can't be read on: the line, and why in a sentence for people."""

    def __init__(self, line, reason):
        super().__init__(_lt("Line %(line)s: %(reason)s", line=line, reason=reason))
        self.line = line


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read on: bytes of the unpacked file, lines and rows before it."""

    offset: int = 0
    line: int = 0
    row: int = 0


class Row(NamedTuple):
    """A row: its number, what it says (or ``BrokenRow``), and the place behind it."""

    number: int
    value: object
    after: Place


def read_rows(stream, kind: str, place: Place) -> Iterator[Row]:
    """Read rows from a place on.

    :param stream: binary file that can seek
    :param kind: ``csv``, with a header in the first line, or ``ndjson``
    :param place: where to begin; one that a row had behind it, or ``Place()``
    :raise UsageFileError: no text, not gzip, too large, or no CSV
    """
    lines = _Lines(stream)
    try:
        if kind == "csv":
            yield from _read_csv(lines, place)
        else:
            yield from _read_ndjson(lines, place)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageFileError(
            lines.line + 1, _lt("the file is cut off, or not packed by gzip.")
        ) from error


class _Lines:
    """Lines of an unpacked file as text, with the place behind the last one."""

    def __init__(self, stream):
        stream.seek(0)
        is_packed = stream.read(2) == _GZIP
        stream.seek(0)
        self._file = gzip.open(stream, "rb") if is_packed else stream
        self.offset = self.line = 0

    def seek(self, place):
        """Go to a place."""
        self._file.seek(place.offset)
        self.offset, self.line = place.offset, place.line

    def __iter__(self):
        return self

    def __next__(self):
        line = self._file.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        if len(line) > MAX_LINE:
            raise UsageFileError(
                self.line + 1, _lt("longer than %(count)s bytes.", count=MAX_LINE)
            )
        if self.offset + len(line) > MAX_BYTES:
            raise UsageFileError(
                self.line + 1,
                _lt(
                    "the file is larger than %(count)s MB. Split it.",
                    count=MAX_BYTES // 1024 // 1024,
                ),
            )
        try:
            text = line.decode("utf-8" if self.offset else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageFileError(
                self.line + 1,
                _lt(
                    "byte %(number)s is not UTF-8. Save it as UTF-8.",
                    number=error.start + 1,
                ),
            ) from error
        if "\x00" in text:
            raise UsageFileError(
                self.line + 1, _lt("has NUL characters: this is no text.")
            )
        self.offset += len(line)
        self.line += 1
        return text


def _read_ndjson(lines, place):
    lines.seek(place)
    number = place.row
    for text in lines:
        text = text.strip()
        if not text:
            continue
        number += 1
        try:
            value = load_flat(text)
        except ValueError as error:
            value = BrokenRow(text, f"Row {number}, line {lines.line}: {error}")
        yield Row(number, value, Place(lines.offset, lines.line, number))


def _read_csv(lines, place):
    header, delimiter = _read_header(lines)
    if place.row:
        lines.seek(place)
    number = place.row
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begin = lines.line + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UsageFileError(
                begin, _lt("this is no CSV: %(error)s.", error=str(error))
            ) from error
        if cells is None:
            return
        if not any(cells):
            continue
        number += 1
        value = _make_row(header, delimiter, cells, f"Row {number}, line {begin}")
        yield Row(number, value, Place(lines.offset, lines.line, number))


def _make_row(header, delimiter, cells, name):
    if len(cells) == len(header):
        return {key: cell for key, cell in zip(header, cells, strict=True) if cell}
    return BrokenRow(
        delimiter.join(cells),
        f"{name}: {len(cells)} columns, the header has {len(header)}",
    )


def _read_header(lines):
    """Return the names of the columns, and what separates them."""
    text = next(lines, None)
    if text is None or not text.strip():
        raise UsageFileError(
            1, _lt("the header with the names of the columns is missing.")
        )
    delimiter = max(DELIMITERS, key=text.count)
    try:
        header = next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UsageFileError(
            1, _lt("the header is no CSV: %(error)s.", error=str(error))
        ) from error
    header = [name.strip() for name in header]
    if len(header) > MAX_COLUMNS:
        raise UsageFileError(
            1,
            _lt(
                "%(found)s columns; a file may have %(count)s. Leave out those nobody"
                " needs.",
                found=len(header),
                count=MAX_COLUMNS,
            ),
        )
    seen = set()
    for column, name in enumerate(header, 1):
        if not name:
            raise UsageFileError(
                1, _lt("column %(column)s has no name.", column=column)
            )
        if name in seen:
            raise UsageFileError(
                1,
                _lt(
                    "column %(column)s is “%(name)s” again.",
                    column=column,
                    name=name[:60],
                ),
            )
        seen.add(name)
    return header, delimiter
