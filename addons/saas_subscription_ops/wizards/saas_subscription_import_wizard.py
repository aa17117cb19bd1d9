# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64

from odoo import fields, models

from ..exceptions import HistoryError


class SaasSubscriptionImportWizard(models.TransientModel):
    """Bring in a CSV file of what customers paid in another system."""

    _name = "saas.subscription.import.wizard"
    _description = "Import Subscription Histories"

    file = fields.Binary(string="CSV File", required=True, attachment=False)
    file_name = fields.Char()
    source = fields.Char(
        string="Other System",
        required=True,
        default="import",
        help="Small letters, for example stripe. The references of the file are kept "
        "under this name, so the same file is never imported twice.",
    )
    product_id = fields.Many2one(
        "product.product",
        domain="[('saas_charge_kind', '=', 'recurring'), "
        "('saas_plan_id', '!=', False)]",
        help="Product of rows that name none.",
    )
    billed_until = fields.Date(
        string="Billed There Until",
        required=True,
        default=fields.Date.context_today,
        help="What was due before this day is booked as billed by the other system; "
        "billing runs charge what comes due from then on.",
    )

    def action_import(self) -> dict:
        """Import the file and show the subscriptions.

        :return: window action
        :raise HistoryError: unusable file or rows; nothing is written then
        """
        self.ensure_one()
        product = self.product_id
        result = self.env["saas.subscription"].import_history_csv(
            self._read_text(),
            source=self.source,
            billed_until=self.billed_until,
            product=product and (product.default_code or product.name) or None,
        )
        if not result["created"]:
            raise HistoryError(
                self.env._(
                    "All %(count)s rows were imported before under “%(system)s”. "
                    "Choose another file, or the name of another system.",
                    count=result["known"],
                    system=self.source,
                )
            )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Imported Subscriptions"),
            "res_model": "saas.subscription",
            "view_mode": "list,form",
            "domain": [("id", "in", result["subscription_ids"])],
        }

    def _read_text(self) -> str:
        try:
            return base64.b64decode(self.file).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise HistoryError(
                self.env._(
                    "The file is no text in UTF-8. Save it as CSV (UTF-8) and choose "
                    "it again."
                )
            ) from error
