# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Canonical text, hash and verification of a sealed event chain.

A chain is a sequence of rows numbered 1, 2, 3, ... per company. The hash of a row
covers its own facts, its number and the hash of the row before it, so that no row can
be changed, removed, added or moved without breaking the chain from there on.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

#: What the first row of every chain names as its predecessor.
GENESIS = "0" * 64

PAYLOAD_CHANGED = "changed"
ROW_MISSING = "missing"
CHAIN_CUT = "cut"


@dataclass(frozen=True)
class SealedRow:
    """One stored row of a chain.

    ``facts`` are what the hash covers (str, int, bool, None, Decimal, list, dict).
    """

    row_id: int
    seq: int
    prev_hash: str
    hash: str
    facts: Mapping


@dataclass(frozen=True)
class Break:
    """The first place where a chain does not hold."""

    kind: str
    seq: int
    row_id: int | None
    expected: str
    found: str


def canonical(value: object) -> str:
    """Write a value as JSON with one spelling only.

    Keys are sorted, no white space, text is not escaped to ASCII and numbers are
    written in plain decimal notation without trailing zeros.

    :param value: None, bool, int, Decimal, str, list/tuple or mapping with str keys
    :return: the canonical text
    :raise TypeError: any other type; floats have no one spelling
    """
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return _canonical_number(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = sorted(value.items())
        return "{" + ",".join(f"{canonical(k)}:{canonical(v)}" for k, v in pairs) + "}"
    raise TypeError(f"no canonical form for {type(value).__name__}")


def _canonical_number(value: Decimal) -> str:
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def parse(text: str) -> object:
    """Read JSON text so that :func:`canonical` accepts it.

    :param str text: JSON, for instance a ``jsonb`` column cast to text
    :return: the value, with Decimal in place of float
    """
    return json.loads(text, parse_float=Decimal)


def row_hash(prev_hash: str, seq: int, facts: Mapping) -> str:
    """Hash one row.

    :param str prev_hash: hash of the row before, :data:`GENESIS` for the first
    :param int seq: number of the row in its chain, from 1
    :param Mapping facts: the values the row vouches for
    :return: 64 hexadecimal digits (SHA-256)
    """
    text = canonical({"prev": prev_hash, "seq": seq, "facts": facts})
    return hashlib.sha256(text.encode()).hexdigest()


def seal(
    prev_hash: str, seq: int, rows: Iterable[tuple[int, Mapping]]
) -> Iterator[SealedRow]:
    """Chain new rows behind the last sealed one.

    :param str prev_hash: hash of the last sealed row, or :data:`GENESIS`
    :param int seq: number of the last sealed row, or 0
    :param rows: (row id, facts) in the order to seal
    :return: generator of ``SealedRow``
    """
    for row_id, facts in rows:
        seq += 1
        digest = row_hash(prev_hash, seq, facts)
        yield SealedRow(row_id, seq, prev_hash, digest, facts)
        prev_hash = digest


def find_break(
    rows: Iterable[SealedRow], prev_hash: str = GENESIS, seq: int = 0
) -> Break | None:
    """Find the first row that breaks a chain.

    :param rows: sealed rows by ascending ``seq``
    :param str prev_hash: hash the first of them must name
    :param int seq: number of the row before the first of them
    :return: the first break, or None when all rows hold
    """
    for row in rows:
        seq += 1
        if row.seq != seq:
            return Break(ROW_MISSING, seq, row.row_id, str(seq), str(row.seq))
        if row.prev_hash != prev_hash:
            return Break(CHAIN_CUT, seq, row.row_id, prev_hash, row.prev_hash)
        digest = row_hash(prev_hash, seq, row.facts)
        if row.hash != digest:
            return Break(PAYLOAD_CHANGED, seq, row.row_id, digest, row.hash)
        prev_hash = row.hash
    return None
