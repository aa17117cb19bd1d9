# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)


class IrActionsReport(models.Model):
    _inherit = "ir.actions.report"

    def _render_qweb_pdf(self, report_ref, res_ids=None, data=None):
        """Give the page instead of the PDF while a customer signs.

        A server without a working wkhtmltopdf would otherwise refuse the signature.
        The missing PDF becomes an exception record of the order.
        """
        if not self.env.context.get("saas_signing"):
            return super()._render_qweb_pdf(report_ref, res_ids=res_ids, data=data)
        try:
            return super()._render_qweb_pdf(report_ref, res_ids=res_ids, data=data)
        except UserError as error:
            _logger.info("No PDF of %s while signing: %s", report_ref, error)
            return self._render_qweb_html(report_ref, res_ids or [], data=data)
