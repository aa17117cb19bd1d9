# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Paths of a source mapping: JMESPath that can neither explode nor run long.

Only what picks values out of a payload is understood: no arithmetic, no expressions as
arguments, and a few functions of our own, so that numbers keep every digit. Each step
is counted against a budget of the request.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from odoo.tools.translate import LazyTranslate

from .usage_said import SaidError

_lt = LazyTranslate(__name__)

MAX_LENGTH = 500
MAX_NODES = 200
MAX_TEXT = 4_000
MAX_EXPONENT = 400
#: Steps all paths of one request may take together: a few seconds at worst.
MAX_STEPS = 3_000_000
_PLAIN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_SCOPE = re.compile(r"(\$|\^+)(?:\.|$)")
_NODES = frozenset(
    "and_expression comparator current field filter_projection flatten"
    " function_expression identity index index_expression literal multi_select_list"
    " not_expression or_expression pipe projection slice subexpression"
    " value_projection".split()
)


class PathError(SaidError):
    """A path can't be used, or fails on a payload; the text says why."""


class BudgetError(PathError):
    """The paths of a request take too many steps."""


class Budget:
    """Steps the paths of one request may still take."""

    def __init__(self, steps=MAX_STEPS):
        self.left = steps
        self.reader = _Reader(self)

    def spend(self, steps=1):
        """Count steps.

        :raise BudgetError: too many
        """
        self.left -= steps
        if self.left < 0:
            raise BudgetError(
                _lt(
                    "The mappings take too long for this request: send fewer events at"
                    " once, or make the paths simpler."
                )
            )


@dataclass(frozen=True, slots=True)
class Place:
    """What the paths of an item are read from.

    ``parents``: the objects the item is in, the nearest first.
    """

    item: object
    root: object
    parents: tuple = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A path ready to be read; see :func:`compile_path`.

    ``scope``: empty for the item, ``$`` for the payload, ``^`` for the object the item
    is in, ``^^`` for the one around that.
    """

    scope: str
    keys: tuple[str, ...] | None
    node: dict | None

    def look_up(self, place, budget):
        """Return what the path leads to, None for nothing.

        :param Place place: where to read
        :param Budget budget: steps left
        :raise PathError: the path fails on this payload
        """
        value = self._get_start(place)
        if self.keys is None:
            try:
                return budget.reader.visit(self.node, value)
            except (JMESPathError, ValueError, TypeError, RecursionError) as error:
                raise PathError(
                    _lt("The path fails: %(error)s", error=str(error)[:200])
                ) from error
        budget.spend()
        for key in self.keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def _get_start(self, place):
        if not self.scope:
            return place.item
        if self.scope == "$":
            return place.root
        depth = len(self.scope)
        return place.parents[depth - 1] if depth <= len(place.parents) else None


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Path:
    """Return a path ready to be read.

    :param text: JMESPath, after ``$.`` (the whole payload) or ``^.`` (the object the
        item is in) if it is not to begin at the item
    :raise PathError: cannot be understood, or uses what is not allowed here
    """
    if len(text) > MAX_LENGTH:
        raise PathError(_lt("A path may have %(count)s characters.", count=MAX_LENGTH))
    found = _SCOPE.match(text)
    scope = found[1] if found else ""
    rest = text[found.end() :] if found else text
    if not rest:
        return Path(scope, (), None)
    if _PLAIN.fullmatch(rest):
        return Path(scope, tuple(rest.split(".")), None)
    try:
        node = Parser().parse(rest).parsed
        return Path(scope, None, _check(node))
    except JMESPathError as error:
        raise PathError(
            _lt("This is no JMESPath: %(error)s", error=_first_line(error))
        ) from error
    except (ValueError, RecursionError) as error:
        raise PathError(
            _lt("This path is too deep, or a number in it too long.")
        ) from error


def _first_line(error):
    return str(error).splitlines()[0][:200]


def _check(root):
    """Return a syntax tree of allowed nodes only, its numbers exact."""
    waiting, seen = [root], 0
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            # The parts of a slice are plain numbers.
            continue
        seen += 1
        if seen > MAX_NODES:
            raise PathError(_lt("This path has too many parts."))
        kind = node["type"]
        if kind not in _NODES:
            raise PathError(
                _lt("“%(kind)s” is not allowed in a path.", kind=kind.replace("_", " "))
            )
        if kind == "function_expression" and node["value"] not in _FUNCTIONS:
            raise PathError(
                _lt(
                    "There is no function “%(name)s” here. Known are: %(known)s.",
                    name=node["value"][:50],
                    known=", ".join(sorted(_FUNCTIONS)),
                )
            )
        if kind == "literal":
            node["value"] = _make_exact(node["value"])
        waiting.extend(node["children"])
    return root


def _make_exact(value):
    if isinstance(value, list):
        return [_make_exact(one) for one in value]
    if isinstance(value, dict):
        raise PathError(_lt("An object can't be written into a path."))
    if isinstance(value, float):
        number = Decimal(repr(value))
        if not number.is_finite():
            raise PathError(_lt("A number in this path is too long."))
        return number
    return value


# ----------------------------------------------------------------------
# Reading
# ----------------------------------------------------------------------
class _Reader(TreeInterpreter):
    """Count every step, compare exactly, and know our own functions only."""

    def __init__(self, budget):
        super().__init__()
        self._spend = budget.spend

    def visit(self, node, *args, **kwargs):
        self._spend()
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node, value):
        return self._count(super().visit_flatten(node, value))

    def visit_slice(self, node, value):
        return self._count(super().visit_slice(node, value))

    def _count(self, made):
        if made:
            self._spend(len(made))
        return made

    def visit_comparator(self, node, value):
        left, right = (self.visit(child, value) for child in node["children"])
        sign = node["value"]
        if sign in ("eq", "ne"):
            return _is_same(left, right) == (sign == "eq")
        if not (_is_number(left) and _is_number(right)):
            return None
        return self.COMPARATOR_FUNC[sign](left, right)

    def visit_function_expression(self, node, value):
        given = [self.visit(child, value) for child in node["children"]]
        for one in given:
            if isinstance(one, str | list | dict):
                self._spend(len(one) // 16 if isinstance(one, str) else len(one))
        function, lowest, highest = _FUNCTIONS[node["value"]]
        if not lowest <= len(given) <= highest:
            raise PathError(
                _lt("%(name)s() has a wrong number of arguments.", name=node["value"])
            )
        return function(*given)


def _is_number(value):
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_same(left, right):
    """Return whether two single values are equal; 1 is not true, "1" is not 1.

    :raise PathError: both are lists or objects, whose comparison has no bounds
    """
    if isinstance(left, list | dict) and isinstance(right, list | dict):
        if left and right:
            raise PathError(_lt("Only single values can be compared."))
        return type(left) is type(right) and not left and not right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


# ----------------------------------------------------------------------
# Functions, as JMESPath has them
# ----------------------------------------------------------------------
def _contains(subject, wanted):
    if isinstance(subject, str):
        return isinstance(wanted, str) and wanted in subject
    if not isinstance(subject, list):
        raise PathError(_lt("contains() needs a text or a list."))
    if isinstance(wanted, list | dict):
        raise PathError(_lt("contains() looks for a single value."))
    return any(
        _is_same(one, wanted) for one in subject if not isinstance(one, list | dict)
    )


def _ends_with(subject, end):
    return _text("ends_with", subject).endswith(_text("ends_with", end))


def _starts_with(subject, start):
    return _text("starts_with", subject).startswith(_text("starts_with", start))


def _join(glue, parts):
    if not isinstance(parts, list):
        raise PathError(_lt("join() needs a list."))
    texts = [_text("join", part) for part in parts]
    glue = _text("join", glue)
    if sum(map(len, texts)) + len(glue) * len(texts) > MAX_TEXT:
        raise PathError(
            _lt("join() makes a text of over %(count)s characters.", count=MAX_TEXT)
        )
    return glue.join(texts)


def _keys(value):
    if not isinstance(value, dict):
        raise PathError(_lt("keys() needs an object."))
    return list(value)


def _values(value):
    if not isinstance(value, dict):
        raise PathError(_lt("values() needs an object."))
    return list(value.values())


def _length(value):
    if not isinstance(value, str | list | dict):
        raise PathError(_lt("length() needs a text, a list or an object."))
    return len(value)


def _not_null(*values):
    return next((value for value in values if value is not None), None)


def _to_number(value):
    if _is_number(value):
        return value
    if not isinstance(value, str) or len(value) > 100:
        return None
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return None
    fits = number.is_finite() and abs(number.adjusted()) <= MAX_EXPONENT
    return number if fits else None


def _to_string(value):
    if value is None or isinstance(value, list | dict):
        raise PathError(_lt("to_string() needs a single value."))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _type(value):
    if value is None:
        return "null"
    kinds = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


def _text(name, value):
    if not isinstance(value, str):
        raise PathError(_lt("%(name)s() needs text.", name=name))
    return value


#: Function, and how many arguments it takes.
_FUNCTIONS = {
    "contains": (_contains, 2, 2),
    "ends_with": (_ends_with, 2, 2),
    "join": (_join, 2, 2),
    "keys": (_keys, 1, 1),
    "length": (_length, 1, 1),
    "not_null": (_not_null, 1, 20),
    "starts_with": (_starts_with, 2, 2),
    "to_number": (_to_number, 1, 1),
    "to_string": (_to_string, 1, 1),
    "type": (_type, 1, 1),
    "values": (_values, 1, 1),
}
