# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import request

from odoo.addons.portal.controllers.portal import pager as portal_pager
from odoo.addons.sale.controllers.portal import CustomerPortal


class SubscriptionPortal(CustomerPortal):
    """The customer's own subscriptions, and signing without a PDF engine."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "subscription_count" in counters:
            Subscription = request.env["saas.subscription"]
            values["subscription_count"] = (
                Subscription.search_count(self._get_subscription_domain())
                if Subscription.has_access("read")
                else 0
            )
        return values

    def _get_subscription_domain(self) -> list:
        partner = request.env.user.partner_id.commercial_partner_id
        return [("commercial_partner_id", "=", partner.id), ("state", "!=", "draft")]

    @http.route()
    def portal_quote_accept(
        self, order_id, access_token=None, name=None, signature=None
    ):
        """Accept a signature also where no PDF engine works."""
        request.update_context(saas_signing=True)
        return super().portal_quote_accept(
            order_id, access_token=access_token, name=name, signature=signature
        )

    @http.route(
        ["/my/subscriptions", "/my/subscriptions/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
        readonly=True,
    )
    def portal_my_subscriptions(self, page: int = 1, **kwargs):
        """List the subscriptions of the visitor's company."""
        Subscription = request.env["saas.subscription"]
        domain = self._get_subscription_domain()
        pager = portal_pager(
            url="/my/subscriptions",
            total=Subscription.search_count(domain),
            page=page,
            step=self._items_per_page,
        )
        values = self._prepare_portal_layout_values()
        values.update(
            subscriptions=Subscription.search(
                domain, limit=self._items_per_page, offset=pager["offset"]
            ),
            page_name="subscription",
            pager=pager,
            default_url="/my/subscriptions",
        )
        return request.render("saas_subscription_ops.portal_my_subscriptions", values)

    @http.route(
        "/my/subscriptions/<int:subscription_id>",
        type="http",
        auth="public",
        website=True,
    )
    def portal_my_subscription(
        self, subscription_id: int, access_token: str | None = None, **kwargs
    ):
        """Show one subscription; others' are answered like missing ones."""
        try:
            subscription = self._document_check_access(
                "saas.subscription", subscription_id, access_token=access_token
            )
        except (AccessError, MissingError):
            return request.redirect("/my")
        values = self._get_page_view_values(
            subscription,
            access_token,
            {"subscription": subscription, "page_name": "subscription"},
            "my_subscriptions_history",
            False,
            **kwargs,
        )
        return request.render("saas_subscription_ops.portal_subscription_page", values)
