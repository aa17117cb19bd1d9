# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, http
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

    def _get_subscription_sortings(self) -> dict:
        return {
            "date": {"label": request.env._("Newest"), "order": "date_start desc, id"},
            "name": {"label": request.env._("Number"), "order": "name, id"},
            "term": {"label": request.env._("Term End"), "order": "term_end, id"},
        }

    def _get_subscription_filters(self) -> dict:
        live = ("trial", "active", "paused")
        return {
            "all": {"label": request.env._("All"), "domain": []},
            "running": {
                "label": request.env._("Running"),
                "domain": [("state", "in", live)],
            },
            "paused": {
                "label": request.env._("Paused"),
                "domain": [("state", "=", "paused")],
            },
            "ended": {
                "label": request.env._("Ended"),
                "domain": [("state", "in", ("cancelled", "expired"))],
            },
        }

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
    def portal_my_subscriptions(
        self, page: int = 1, sortby: str = "date", filterby: str = "all", **kwargs
    ):
        """List the subscriptions of the visitor's company."""
        Subscription = request.env["saas.subscription"]
        sortings = self._get_subscription_sortings()
        filters = self._get_subscription_filters()
        sortby = sortby if sortby in sortings else "date"
        filterby = filterby if filterby in filters else "all"
        domain = self._get_subscription_domain() + filters[filterby]["domain"]
        pager = portal_pager(
            url="/my/subscriptions",
            url_args={"sortby": sortby, "filterby": filterby},
            total=Subscription.search_count(domain),
            page=page,
            step=self._items_per_page,
        )
        values = self._prepare_portal_layout_values()
        values.update(
            subscriptions=Subscription.search(
                domain,
                order=sortings[sortby]["order"],
                limit=self._items_per_page,
                offset=pager["offset"],
            ),
            page_name="subscription",
            pager=pager,
            default_url="/my/subscriptions",
            searchbar_sortings=sortings,
            sortby=sortby,
            searchbar_filters=filters,
            filterby=filterby,
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
        kwargs.pop("error", None)
        return self._render_subscription(subscription, access_token, **kwargs)

    def _render_subscription(self, subscription, access_token=None, **kwargs):
        """Render the page of one subscription.

        :param subscription: ``saas.subscription`` the visitor may read, with sudo
        :param kwargs: ``error`` to show, ``done`` to say what was reached
        """
        values = self._get_page_view_values(
            subscription,
            access_token,
            {
                "subscription": subscription,
                "page_name": "subscription",
                "error": kwargs.get("error"),
                "done": kwargs.get("done"),
                "today": fields.Date.context_today(subscription),
                **subscription._portal_get_values(),
                **self._get_subscription_documents(subscription),
            },
            "my_subscriptions_history",
            False,
            **kwargs,
        )
        return request.render("saas_subscription_ops.portal_subscription_page", values)

    def _get_subscription_documents(self, subscription) -> dict:
        """Return invoices and offers the visitor may read with their own rights."""
        account = request.env.user.partner_id.commercial_partner_id
        is_own = subscription.commercial_partner_id == account
        Move, Order = request.env["account.move"], request.env["sale.order"]
        invoices, offers = Move.browse(), Order.browse()
        if is_own:
            moves = subscription.charge_ids.move_id
            if Move.has_access("read"):
                invoices = Move.search(
                    [("id", "in", moves.ids), ("state", "=", "posted")],
                    order="invoice_date desc, id desc",
                    limit=24,
                )
            if Order.has_access("read"):
                offers = Order.search(
                    [
                        ("saas_amended_subscription_id", "=", subscription.id),
                        ("state", "=", "sent"),
                    ]
                )
        return {"is_own": is_own, "invoices": invoices, "offers": offers}
