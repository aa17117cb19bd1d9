# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.http import request

from .csv_stream import stream_csv

_ROWS = {"events": "_iterate_staff_rows", "days": "_iterate_day_rows"}


class UsageExport(http.Controller):
    """What is behind a charge as files, for staff."""

    @http.route(
        "/saas/usage/charge/<int:charge_id>/<any(events,days):what>.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def export(self, charge_id: int, what: str, **_kwargs):
        """Send the events or the days of a charge as CSV.

        :param int charge_id: id of a ``saas.charge`` the user may read
        :param str what: events or days
        :raise NotFound: there is no such charge, or nothing was metered
        :raise AccessError: charge or usage is not the user's to read
        """
        charge = request.env["saas.charge"].browse(charge_id).exists()
        charge.check_access("read")
        request.env["saas.usage.event"].check_access("read")
        if not charge.has_usage:
            raise request.not_found()
        rows = _ROWS[what]
        return stream_csv(
            f"{what}-{charge_id}",
            lambda env: getattr(env["saas.charge"].browse(charge_id), rows)(),
        )
