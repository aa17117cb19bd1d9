# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime

from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import request

from odoo.addons.saas_subscription_ops.controllers.portal import SubscriptionPortal

from ..models.saas_usage_price import format_quantity
from .csv_stream import stream_csv

#: Events of a page.
PAGE = 100
#: Characters of a dispute.
MAX_REASON = 2000
#: Of an event's number, a bigint.
_DIGITS = 18
_PAGE_ROUTE = "/my/subscriptions/<int:subscription_id>/usage/<int:charge_id>"


class UsagePortal(SubscriptionPortal):
    """What is behind an invoiced amount, for the customer it was invoiced to.

    Only through a subscription the visitor may read with their own rights, and only
    charges of this subscription on posted invoices.
    """

    @http.route(_PAGE_ROUTE, type="http", auth="user", website=True, readonly=True)
    def portal_usage(self, subscription_id: int, charge_id: int, **query):
        """Show days, dimensions and tiers of a charge, or the events of a day.

        :param query: ``day`` in ISO form, and ``after``: time and id of the last event
            of the page before
        """
        charge = self._find_usage_charge(subscription_id, charge_id)
        if not charge:
            return request.redirect("/my")
        values = {
            "subscription": charge.subscription_id,
            "charge": charge,
            "page_name": "subscription_usage",
            "format_quantity": format_quantity,
            "url": f"/my/subscriptions/{subscription_id}/usage/{charge_id}",
        }
        day = _read_day(query.get("day"))
        first, last = charge._get_usage_dates()
        if day and first <= day <= last:
            values.update(self._get_events_of_day(charge, day, query.get("after")))
            template = "saas_usage_billing.portal_usage_events"
        else:
            values["breakdown"] = charge._get_usage_breakdown()
            values["detached_note"] = charge._get_detached_note()
            values["has_events"] = charge._has_single_events
            values.update(self._get_dispute(charge, query.get("dispute")))
            template = "saas_usage_billing.portal_usage_page"
        return request.render(
            template, {**self._prepare_portal_layout_values(), **values}
        )

    @http.route(
        f"{_PAGE_ROUTE}/events.csv",
        type="http",
        auth="user",
        website=True,
        readonly=True,
    )
    def portal_usage_events(self, subscription_id: int, charge_id: int, **_query):
        """Send the events of a charge as CSV."""
        charge = self._find_usage_charge(subscription_id, charge_id)
        if not charge:
            return request.redirect("/my")
        # sudo: the visitor's right was checked above, by the subscription
        return stream_csv(
            f"usage-{charge_id}",
            lambda env: (
                env["saas.charge"].sudo().browse(charge_id)._iterate_customer_rows()
            ),
        )

    @http.route(
        f"{_PAGE_ROUTE}/dispute",
        type="http",
        auth="user",
        website=True,
        methods=["POST"],
    )
    def portal_usage_dispute(self, subscription_id: int, charge_id: int, **query):
        """Hold usage its own customer disputes, once.

        :param query: ``reason``, the customer's words
        """
        charge = self._find_usage_charge(subscription_id, charge_id)
        if not charge or not self._may_dispute(charge):
            return request.redirect("/my")
        reason = (query.get("reason") or "").strip()
        fault = _find_reason_fault(reason)
        if not fault:
            charge._open_dispute(reason)
        url = f"/my/subscriptions/{subscription_id}/usage/{charge_id}"
        return request.redirect(f"{url}?dispute={fault or 'sent'}#dispute")

    def _may_dispute(self, charge):
        """Return whether the visitor is the customer, not somebody who looks on."""
        return self._is_of_customer(request.env.user, charge)

    def _is_of_customer(self, user, charge):
        account = charge.subscription_id.commercial_partner_id
        return user.partner_id.commercial_partner_id == account

    def _get_dispute(self, charge, message):
        """Return what the template says about disputes."""
        dispute = charge._get_dispute()
        decisions = dict(
            dispute._fields["decision"]._description_selection(dispute.env)
        )
        return {
            "dispute": dispute,
            # The words of staff are not for the customer.
            "is_own_dispute": self._is_of_customer(dispute.opened_by_id, charge),
            "dispute_decision": decisions.get(dispute.decision, ""),
            "dispute_message": message,
            "may_dispute": not dispute and self._may_dispute(charge),
            "max_reason": MAX_REASON,
        }

    def _find_usage_charge(self, subscription_id, charge_id):
        """Return the charge with sudo, empty when it is not the visitor's to see."""
        # sudo: customers read charges only here, by their own subscription
        Charge = request.env["saas.charge"].sudo()
        try:
            subscription = self._document_check_access(
                "saas.subscription", subscription_id
            )
        except (AccessError, MissingError):
            return Charge
        return Charge.search(
            [
                ("id", "=", charge_id),
                ("subscription_id", "=", subscription.id),
                ("move_id.state", "=", "posted"),
            ]
        ).filtered("has_usage")

    def _get_events_of_day(self, charge, day, after):
        """Return a page of events for the template."""
        columns = charge._get_usage_columns()
        # One more tells whether there is another page.
        events = charge._read_usage_events(day, _read_position(after), PAGE + 1)
        following = None
        if len(events) > PAGE:
            events = events[:PAGE]
            following = f"{events[-1].time.isoformat()}_{events[-1].id}"
        return {
            "day": day,
            "header": charge._get_event_header(columns),
            "rows": [charge._prepare_event_row(event, columns) for event in events],
            "detached_note": charge._get_detached_note(day),
            "following": following,
        }


def _find_reason_fault(reason):
    """Return what is wrong with the words of a dispute, empty: nothing."""
    if not reason:
        return "empty"
    return "long" if len(reason) > MAX_REASON else ""


def _read_day(text):
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _read_position(text):
    """Return (time, id) of the last event of the page before; None: the first page."""
    moment, _mark, number = (text or "").rpartition("_")
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        return None
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=None), int(number)
    except ValueError:
        return None
