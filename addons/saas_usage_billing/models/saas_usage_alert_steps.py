# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What follows on an alert: called by the shipped rules, harmless to repeat."""

from odoo import fields, models
from odoo.tools import plaintext2html

EVENTS = {"threshold": "usage.threshold_reached"}
#: Stages of an opportunity that is not decided.
PENDING = "pending"


class SaasUsageAlert(models.Model):
    _inherit = "saas.usage.alert"

    def saas_record_alert(self):
        """Write the event of each alert, once.

        :return: True
        """
        self.check_access("write")
        # sudo: the rule runs as whoever counted
        for alert in self.sudo().filtered(lambda one: not one.recorded_at):
            alert.recorded_at = fields.Datetime.now()
            alert._saas_emit(
                EVENTS.get(alert.kind, f"adoption.{alert.trend}"),
                alert._prepare_event_payload(),
            )
        return True

    def _prepare_event_payload(self):
        self.ensure_one()
        facts = {
            "subscription": self.subscription_id.name,
            "period_start": self.period_start.isoformat(),
        }
        if self.kind == "adoption":
            return {**facts, "change_percent": self.change}
        return {
            **facts,
            "threshold": self.threshold_id.name,
            "kind": self.threshold_id.kind,
            "value": self.threshold_id.value,
            "product": self.product_tmpl_id.name or None,
            "quantity": self.quantity,
            "percent": self.percent,
            "amount": self.amount,
            "currency": self.currency_id.name,
        }

    def saas_notify_csm(self):
        """Give the CSM of the account an activity, once; else who has the subscription.

        :return: True
        """
        self.check_access("write")
        # sudo: the rule runs as whoever counted; the activity is for the CSM
        for alert in self.sudo().filtered(lambda one: not one.notified_at):
            user = alert.csm_id or alert.subscription_id.user_id
            wanted = alert.kind == "adoption" or alert.threshold_id.notify_csm
            if wanted and user:
                alert.notified_at = fields.Datetime.now()
                alert.with_context(mail_activity_quick_update=True).activity_schedule(
                    "mail.mail_activity_data_call",
                    summary=alert.name,
                    note=plaintext2html(alert._describe()),
                    user_id=user.id,
                )
        return True

    def saas_mail_customer(self):
        """Write to the customer, once, where the threshold says so.

        :return: True
        """
        self.check_access("write")
        shipped = self.env.ref(
            "saas_usage_billing.mail_template_usage_threshold",
            raise_if_not_found=False,
        )
        # sudo: the rule runs as whoever counted
        for alert in self.sudo().filtered(lambda one: not one.mailed_at):
            threshold = alert.threshold_id
            template = threshold.template_id or (shipped and shipped.sudo())
            if threshold.notify_customer and template:
                alert.mailed_at = fields.Datetime.now()
                template.send_mail(alert.id)
        return True

    def saas_open_upsell(self):
        """Open an opportunity, unless one of the subscription and product is open.

        :return: True
        """
        self.check_access("write")
        # sudo: the rule runs as whoever counted; sales gets the opportunity
        for alert in self.sudo().filtered(lambda one: not one.lead_id):
            if alert.threshold_id.open_upsell:
                lead = alert._find_open_lead()
                if lead:
                    lead.message_post(body=plaintext2html(alert._describe()))
                alert.lead_id = lead or self.env["crm.lead"].sudo().create(
                    alert._prepare_lead_vals()
                )
        return True

    def _find_open_lead(self):
        """Return the opportunity of an earlier alert that is not decided yet."""
        self.ensure_one()
        others = self.search(
            [
                ("subscription_id", "=", self.subscription_id.id),
                ("product_tmpl_id", "=", self.product_tmpl_id.id),
                ("lead_id.active", "=", True),
            ]
        )
        return others.lead_id.filtered(lambda lead: lead.won_status == PENDING)[:1]

    def _prepare_lead_vals(self):
        """Prepare the opportunity.

        :return: values of ``crm.lead``
        """
        self.ensure_one()
        subscription = self.subscription_id
        return {
            "name": self.env._("Upsell: %(alert)s", alert=self.name),
            "type": "opportunity",
            "saas_lead_kind": "expansion",
            "partner_id": subscription.partner_id.id,
            "user_id": subscription.user_id.id,
            "company_id": self.company_id.id,
            "description": plaintext2html(self._describe()),
            "saas_subscription_ids": [fields.Command.set(subscription.ids)],
        }
