# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.http import content_disposition, request

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class BillingRunController(http.Controller):
    """Download of the run report."""

    @http.route("/saas/billing-run/<int:run_id>/report.xlsx", type="http", auth="user")
    def report_xlsx(self, run_id: int, **_kwargs):
        """Send the run report as a workbook.

        :param int run_id: id of a ``saas.billing.run`` the user may read
        :raise NotFound: there is no such run
        :raise AccessError: the run is not the user's to read
        """
        run = request.env["saas.billing.run"].browse(run_id).exists()
        if not run:
            raise request.not_found()
        report = request.env["report.saas_subscription_ops.report_saas_billing_run"]
        content = report._render_xlsx(run)
        name = f"{run.name.replace('/', '-')}.xlsx"
        headers = [
            ("Content-Type", XLSX),
            ("Content-Disposition", content_disposition(name)),
        ]
        return request.make_response(content, headers)
