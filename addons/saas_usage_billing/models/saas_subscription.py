# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timezone

from odoo import api, fields, models

from ..exceptions import UsageStoreError
from .saas_usage_price import format_quantity

#: Events a button counts; nobody reads a larger number, and counting takes its time.
COUNTED = 10_000


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_event_count = fields.Integer(
        compute="_compute_usage_event_count",
        string="Usage Events",
        help="Events of the current period, counted up to 10,000.",
        groups="saas_core.group_saas_core_user",
    )
    has_usage = fields.Boolean(
        compute="_compute_has_usage", groups="saas_core.group_saas_core_user"
    )
    usage_html = fields.Html(
        compute="_compute_usage_html",
        string="Current Usage",
        sanitize=False,
        groups="saas_core.group_saas_core_user",
    )

    def _compute_has_usage(self):
        for subscription in self:
            subscription.has_usage = bool(subscription._get_usage_lines())

    def _compute_usage_event_count(self):
        now = datetime.now(timezone.utc)
        for subscription in self:
            period = subscription._get_current_period(now)
            subscription.usage_event_count = (
                self.env["saas.usage.event"].search_count(
                    subscription._get_usage_domain(*period), limit=COUNTED
                )
                if period and subscription.ids
                else 0
            )

    def _compute_usage_html(self):
        now = datetime.now(timezone.utc)
        for subscription in self:
            subscription.usage_html = subscription._render_current_usage(now)

    def _get_portal_usage_html(self):
        """Return the usage of the running period for the customer's own page.

        :return: markup; empty without metered products
        """
        self.ensure_one()
        # sudo: the page belongs to this subscription, whoever was let in to see it;
        # meters, prices and events themselves stay hidden from customers
        subscription = self.sudo()
        if not subscription._get_usage_lines():
            return ""
        return subscription._render_current_usage(datetime.now(timezone.utc))

    def _render_current_usage(self, now):
        rows = self._get_current_usage(now) if self.ids else []
        return self.env["ir.qweb"]._render(
            "saas_usage_billing.current_usage",
            {
                "rows": [self._prepare_usage_row(row, now) for row in rows],
                "format_quantity": format_quantity,
            },
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_usage(self):
        if self.env["saas.usage.event"]._has_events("subscription_id", self.ids):
            raise UsageStoreError(
                self.env._(
                    "Usage was stored for this subscription, so it cannot be deleted."
                    " Cancel it instead."
                )
            )

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_view_usage(self):
        """Open the events of the current period, by day.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["views"] = [
            (False, "graph"),
            (False, "list"),
            (False, "pivot"),
            (False, "form"),
        ]
        action["context"] = {}
        return action
