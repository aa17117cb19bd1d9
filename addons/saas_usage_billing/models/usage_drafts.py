# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Draft prices in place of the versions they follow, for simulations only."""

from dataclasses import dataclass

#: Context key of the drafts. Nobody can send their type over RPC, so that drafts never
#: bill.
DRAFTS = "saas_usage_drafts"


@dataclass(frozen=True, slots=True)
class Drafts:
    """Ids of the draft prices that stand in for other versions."""

    ids: tuple[int, ...]


def get_drafts(env):
    """Return the drafts in force, empty anywhere but in simulations.

    :param env: environment
    :return: ``saas.usage.price``
    """
    given = env.context.get(DRAFTS)
    return env["saas.usage.price"].browse(
        given.ids if isinstance(given, Drafts) else ()
    )
