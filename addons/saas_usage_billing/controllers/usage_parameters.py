# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Query parameters of the usage API: what is allowed, and 422 for the rest."""

from collections.abc import Mapping

from .dispatcher import ApiError

MAX_LENGTH = 255
#: Values a parameter may have, the default first; none: any printable text.
TEXT = ()
FLAG = ("0", "1")
INGEST = {"details": ("problems", "all"), "dry_run": FLAG, "strict": FLAG}
EVENT_STATUS = {"source": TEXT, "id": TEXT}
ENTITLEMENTS = {"source": TEXT, "feature": TEXT, "wallets": FLAG}
CURRENT_USAGE = {
    **dict.fromkeys(("subject", "source", "subscription"), TEXT),
    "days": FLAG,
    "wallets": ("1", "0"),
}


def read_parameters(httprequest, allowed: Mapping[str, tuple]) -> dict[str, str]:
    """Return the query parameters of a request.

    A parameter that is not known is refused, too: who asks for ``dryrun`` must not
    have his events stored.

    :param httprequest: request
    :param allowed: values by name, see ``TEXT``
    :return: a value for each allowed name
    :raise ApiError: 422
    """
    given = httprequest.args
    for name in given:
        if name not in allowed:
            raise _refuse(
                f"There is no parameter “{_show(name)}” here. Known are: "
                + (", ".join(allowed) or "none")
                + "."
            )
        if len(given.getlist(name)) > 1:
            raise _refuse(f"Give the parameter “{name}” once only.")
    return {
        name: _check(name, given[name], values)
        if name in given
        else (values[0] if values else "")
        for name, values in allowed.items()
    }


def _check(name, value, values):
    if values and value not in values:
        raise _refuse(f"The parameter “{name}” must be one of: {', '.join(values)}.")
    if len(value) > MAX_LENGTH or not value.isprintable():
        raise _refuse(
            f"The parameter “{name}” must be printable text of up to {MAX_LENGTH}"
            " characters."
        )
    return value


def _show(name):
    return "".join(c if c.isprintable() else "�" for c in name[:50])


def _refuse(message):
    return ApiError(422, "bad_parameter", message)
