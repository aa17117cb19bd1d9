# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Read JSON strictly, with every digit of its numbers."""

import json
from decimal import Decimal, InvalidOperation

import msgspec

#: Decimals beyond this exponent are kept as text, so that no sum can be blown up.
_MAX_EXPONENT = 400
MAX_DEPTH = 40


def load(text: str):
    """Parse JSON strictly and exactly.

    :param text: JSON
    :return: numbers as int or ``Decimal``
    :raise ValueError: not JSON
    """
    try:
        return _parse(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def load_flat(text: str):
    """Parse JSON of people's depth, so that whatever reads it need not worry.

    :param text: JSON
    :return: as :func:`load`
    :raise ValueError: not JSON, or nested deeper than ``MAX_DEPTH``
    """
    value = load(text)
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        depth += 1
        level = [inner for one in level for inner in _get_inner(one)]
    return value


def _get_inner(value):
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return ()
    return [one for one in value if isinstance(one, list | dict)]


def _parse(text):
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # It refuses unpaired surrogates and long numbers, and its words are no help.
        return _parse_slowly(text)


def _parse_slowly(text):
    try:
        return json.loads(text, parse_float=_number, parse_constant=_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # An integer too long for Python's limit: such numbers are kept as text.
        return json.loads(
            text, parse_float=_number, parse_int=_integer, parse_constant=_constant
        )


def _number(text):
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if abs(value.adjusted()) <= _MAX_EXPONENT else text


def _integer(text):
    return int(text) if len(text) <= _MAX_EXPONENT else text


def _constant(name):
    raise ValueError(f"{name} is not JSON")


_DECODER = msgspec.json.Decoder(float_hook=_number)
