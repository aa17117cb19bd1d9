# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, http
from odoo.exceptions import AccessError, MissingError, ValidationError
from odoo.http import request

from ..exceptions import AmendmentError, SubscriptionError
from .portal import SubscriptionPortal

TEMPLATE = "saas_subscription_ops.portal_subscription_"


class AmendmentPortal(SubscriptionPortal):
    """Changes the customer asks for: seen with their price first, then confirmed."""

    @http.route(
        "/my/subscriptions/<int:subscription_id>/change",
        type="http",
        auth="user",
        methods=["GET", "POST"],
        website=True,
    )
    def portal_subscription_change(self, subscription_id: int, **post):
        """Show, preview and confirm a change of quantities."""
        return self._portal_amend(subscription_id, "change", post)

    @http.route(
        "/my/subscriptions/<int:subscription_id>/cancel",
        type="http",
        auth="user",
        methods=["GET", "POST"],
        website=True,
    )
    def portal_subscription_cancel(self, subscription_id: int, **post):
        """Show, preview and confirm a cancellation."""
        return self._portal_amend(subscription_id, "cancel", post)

    @http.route(
        "/my/subscriptions/<int:subscription_id>/undo/<int:amendment_id>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_subscription_undo(self, subscription_id: int, amendment_id: int, **_kw):
        """Take back a request or a scheduled change of the customer's own."""
        subscription = self._get_own_subscription(subscription_id)
        if not subscription:
            return request.redirect("/my")
        amendment = subscription.amendment_ids.filtered(
            lambda record: record.id == amendment_id
        )
        try:
            with request.env.cr.savepoint():
                subscription._portal_undo(amendment)
        except (SubscriptionError, ValidationError) as error:
            return self._render_subscription(subscription, error=str(error))
        return request.redirect(f"{subscription.access_url}?done=undone")

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def _get_own_subscription(self, subscription_id: int):
        """Return a subscription of the visitor's own company.

        :return: ``saas.subscription`` with sudo, for what its portal methods allow;
            None for anybody else, as if there were none
        """
        try:
            subscription = self._document_check_access(
                "saas.subscription", subscription_id
            )
        except (AccessError, MissingError):
            return None
        account = request.env.user.partner_id.commercial_partner_id
        if subscription.commercial_partner_id != account:
            # Staff may read it, but acts in the back office under its own name.
            return None
        # The check hands over the record as the system user; who asks is the visitor.
        # sudo: see saas_subscription_portal.py
        return subscription.with_user(request.env.user).sudo()

    def _portal_amend(self, subscription_id: int, action: str, post: dict):
        subscription = self._get_own_subscription(subscription_id)
        if not subscription:
            return request.redirect("/my")
        values = {"post": post, "error": "", "preview": None}
        if request.httprequest.method == "POST":
            try:
                # Nothing of a refused request stays.
                with request.env.cr.savepoint():
                    done = self._portal_step(subscription, action, post, values)
            except (SubscriptionError, ValidationError) as error:
                done, values["error"], values["preview"] = None, str(error), None
            if done:
                return request.redirect(f"{subscription.access_url}?done={done}")
        return self._render_amend(subscription, action, values)

    def _portal_step(self, subscription, action: str, post: dict, values: dict):
        """Preview or confirm what was posted.

        :return: what was reached, None while it is only previewed
        """
        prepare = getattr(self, f"_prepare_{action}")
        if post.get("step") != "confirm":
            values["preview"] = subscription._portal_preview(
                prepare(subscription, post)
            )
            if values["preview"]["problem"]:
                raise AmendmentError(values["preview"]["problem"])
            return None
        known = self._find_repeat(subscription, action, post)
        if known:
            return known
        amendment = subscription._portal_submit(prepare(subscription, post))
        return "requested" if amendment.state in ("draft", "to_approve") else action

    def _find_repeat(self, subscription, action: str, post: dict):
        """Return what a second click on the same form finds done already."""
        if action == "cancel":
            return "cancel" if subscription.has_scheduled_cancel else None
        lines = subscription._get_lines_ahead()
        quantities = self._read_quantities(post)
        same = quantities and all(
            line.quantity == quantities.get(line.id, line.quantity) for line in lines
        )
        return "change" if same and post.get("changed") else None

    def _prepare_change(self, subscription, post: dict) -> dict:
        return subscription._portal_prepare_change(
            self._read_quantities(post), post.get("effective", "now")
        )

    def _prepare_cancel(self, subscription, post: dict) -> dict:
        reason_id = post.get("reason_id", "")
        # sudo: customers may choose a reason, not read the list behind it
        reason = (
            request.env["saas.cancel.reason"]
            .sudo()
            .browse(int(reason_id) if reason_id.isdecimal() else [])
        )
        return subscription._portal_prepare_cancel(
            reason, post.get("note", ""), fields.Date.context_today(subscription)
        )

    def _read_quantities(self, post: dict) -> dict:
        """Return the quantities of the form by line.

        :raise AmendmentError: not a number
        """
        quantities = {}
        for name, text in post.items():
            line_id = name.removeprefix("quantity_")
            if name == line_id or not line_id.isdecimal():
                continue
            try:
                quantities[int(line_id)] = float(text)
            except ValueError as error:
                raise AmendmentError(
                    request.env._("“%(text)s” is not a number.", text=text)
                ) from error
        return quantities

    # ------------------------------------------------------------------
    # Pages
    # ------------------------------------------------------------------
    def _render_amend(self, subscription, action: str, values: dict):
        if action == "cancel":
            # sudo: see _prepare_cancel
            values["reasons"] = (
                request.env["saas.cancel.reason"]
                .sudo()
                .search([("is_portal", "=", True)])
            )
            values["cancel_day"] = subscription._portal_get_cancel_day(
                fields.Date.context_today(subscription)
            )
        else:
            values["lines"] = subscription._get_lines_ahead()
        kind = "cancel" if action == "cancel" else "quantity"
        values.update(
            subscription=subscription,
            mode=(
                values["preview"]["mode"]
                if values["preview"]
                else subscription._portal_get_mode(kind)
            ),
            page_name="subscription",
            action=action,
        )
        return request.render(f"{TEMPLATE}{action}", values)
