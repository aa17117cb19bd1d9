# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage that stays as it is booked, for all that depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

#: Context key of what is kept. Nobody can send its type over RPC, so that only the
#: policy of the plan says what is not corrected.
KEPT = "saas_usage_kept"


@dataclass(frozen=True, slots=True)
class KeptUsage:
    """Booked quantity and amount, by the ref of the usage."""

    booked: Mapping[str, tuple[Decimal, Decimal]]


def get_kept(env) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Return what stays as it is booked: quantity and amount by ref.

    :param env: environment
    """
    given = env.context.get(KEPT)
    return given.booked if isinstance(given, KeptUsage) else {}
