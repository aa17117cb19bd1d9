# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Closing a ticket in the portal, for those who may see it and nobody else."""

from werkzeug.wrappers import Response

from odoo import http
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request

from odoo.addons.helpdesk_mgmt.controllers.main import HelpdeskTicketController


class PortalTicketController(HelpdeskTicketController):
    """Replace helpdesk_mgmt's close route, which asks nobody for permission."""

    @http.route(methods=["POST"], csrf=True, website=True)
    def support_ticket_close(
        self, ticket_id: str = "", stage_id: str = "", **kw: str
    ) -> Response:
        """Close a ticket of the user's own company.

        :param ticket_id: id of the ticket
        :param stage_id: id of a closing stage that is offered in the portal
        :return: redirect to the ticket; to the portal's home when it is not theirs
        """
        if not (ticket_id.isdecimal() and stage_id.isdecimal()):
            return request.redirect("/my")
        ticket = request.env["helpdesk.ticket"].browse(int(ticket_id))
        try:
            ticket._saas_portal_close(int(stage_id))
        except (AccessError, MissingError):
            return request.redirect("/my")
        except UserError:
            # A stage the page does not offer: it is shown again, with those it does.
            return request.redirect(f"/my/ticket/{ticket.id}")
        return request.redirect(f"/my/ticket/{ticket.id}")
