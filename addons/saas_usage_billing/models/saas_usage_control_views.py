# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import models


class SaasUsageControl(models.Model):
    """The records behind the figures of a control."""

    _inherit = "saas.usage.control"

    def action_view_requests(self):
        """Open the requests of the day.

        :return: window action
        """
        return self._open(
            "saas_usage_billing.saas_usage_batch_action",
            self._get_arrival_domain("received_at"),
        )

    def action_view_quarantine(self):
        """Open what was quarantined on the day.

        :return: window action
        """
        return self._open(
            "saas_usage_billing.saas_usage_quarantine_action",
            self._get_arrival_domain("last_seen_at"),
        )

    def action_view_events(self):
        """Open the stored events of the day, or of the month and meter.

        :return: window action
        """
        self.ensure_one()
        if self.kind == "intake":
            domain = self._get_arrival_domain("stored_at")
        else:
            domain = [
                ("company_id", "=", self.company_id.id),
                ("event_type", "=", self.meter_id.event_type),
                ("event_time", ">=", self.day),
                ("event_time", "<", self._get_next_month()),
            ]
        return self._open("saas_usage_billing.saas_usage_event_action", domain)

    def action_view_charges(self):
        """Open the charges of the month and meter.

        :return: window action
        """
        self.ensure_one()
        return self._open(
            "saas_subscription_ops.saas_charge_action",
            [
                ("company_id", "=", self.company_id.id),
                ("base_kind", "=", "usage"),
                ("currency_id", "=", self.currency_id.id),
                ("line_id.product_id.saas_meter_id", "=", self.meter_id.id),
                ("service_start", ">=", self.day),
                ("service_start", "<", self._get_next_month()),
            ],
        )

    def _get_next_month(self):
        return (self.day + timedelta(days=32)).replace(day=1)

    def _get_arrival_domain(self, name):
        """Return the domain of what arrived on the day from the source.

        :param str name: field with the time of arrival
        """
        self.ensure_one()
        return [
            ("company_id", "=", self.company_id.id),
            ("source_id", "=", self.source_id.id),
            (name, ">=", self.day),
            (name, "<", self.day + timedelta(days=1)),
        ]

    def _open(self, xml_id, domain):
        action = self.env["ir.actions.act_window"]._for_xml_id(xml_id)
        return {**action, "domain": domain, "context": {}}
