# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

#: Invoiced usage listed on the customer's page.
SHOWN = 24


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_portal_usage_charges(self):
        """Return the invoiced usage the customer may take apart, newest first."""
        self.ensure_one()
        # sudo: the page belongs to this subscription, whoever was let in to see it
        return (
            self.env["saas.charge"]
            .sudo()
            .search(
                [
                    ("subscription_id", "=", self.id),
                    ("base_kind", "=", "usage"),
                    ("move_id.state", "=", "posted"),
                ],
                order="service_start desc, id desc",
                limit=SHOWN,
            )
            .filtered("has_usage")
        )

    def _get_disputed_refs(self):
        """Return the refs of the charges that are disputed just now."""
        self.ensure_one()
        # sudo: as for the charges, the page belongs to this subscription
        holds = self.env["saas.usage.hold"].sudo()
        return set(
            holds.search(
                [
                    ("subscription_id", "=", self.id),
                    ("kind", "=", "dispute"),
                    ("state", "=", "open"),
                ]
            ).charge_id.mapped("ref")
        )
