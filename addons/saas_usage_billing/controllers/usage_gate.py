# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What every route of the usage API checks before anything of the body is read."""

from odoo.http import request

from ..models.usage_rate import take_call
from .dispatcher import ApiError, note_headers
from .usage_parameters import read_parameters

_GROUP = "saas_core.group_saas_core_integration"


def admit(method: str, parameters=None) -> dict[str, str]:
    """Check method, role, rate and query parameters, in this order.

    :param method: the only one the route answers
    :param parameters: what it understands, see ``usage_parameters.read_parameters``
    :return: parameters by name
    :raise ApiError: 405, 403, 429 or 422
    """
    if request.httprequest.method != method:
        raise ApiError(
            405, "method_not_allowed", f"Use {method} here.", {"Allow": method}
        )
    if not request.env.user.has_group(_GROUP):
        raise ApiError(
            403,
            "forbidden",
            "The user of this API key does not have the Integration role.",
        )
    _count_call()
    return read_parameters(request.httprequest, parameters or {})


def _count_call():
    environ = request.httprequest.environ
    user = request.env.user
    company_id, rate = user._get_saas_usage_sender()
    # As without it, but nobody has to fetch the user to know.
    others = [one for one in user._get_company_ids() if one != company_id]
    request.update_context(allowed_company_ids=[company_id, *others])
    # A transaction that failed is run again: still the same request.
    if not rate or "saas.usage_call" in environ:
        return
    call = take_call(request.env.registry, request.env.uid, rate)
    environ["saas.usage_call"] = call
    note_headers(
        request.httprequest,
        {
            "X-RateLimit-Limit": str(call.limit),
            "X-RateLimit-Remaining": str(call.remaining),
        },
    )
    if call.retry_after:
        raise ApiError(
            429,
            "too_many_requests",
            "This key sends too many requests: wait as long as Retry-After says,"
            " or send larger batches.",
            {"Retry-After": str(call.retry_after)},
        )
