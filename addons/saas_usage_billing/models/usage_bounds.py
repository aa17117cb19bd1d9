# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a line of a billing run was computed with, for posting it with the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from .usage_store_api import Bounds

#: Context key of the bounds. Nobody can send their type over RPC, so that only a line
#: of a run says what is billed. Jobs do not carry it on.
BOUNDS = "saas_usage_bounds"


@dataclass(frozen=True, slots=True)
class GivenBounds:
    """What the store had shown, and ids of the holds that were open then."""

    bounds: Bounds
    hold_ids: frozenset[int]

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "GivenBounds":
        """Return what a line keeps.

        :param values: ``usage_bounds`` of the line
        """
        return cls(Bounds.from_dict(values), frozenset(values.get("holds", ())))


def get_given(env) -> GivenBounds | None:
    """Return what is posted with, None anywhere but in lines of billing runs.

    :param env: environment
    """
    given = env.context.get(BOUNDS)
    return given if isinstance(given, GivenBounds) else None
