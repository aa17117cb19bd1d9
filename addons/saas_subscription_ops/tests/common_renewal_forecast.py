# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from freezegun import freeze_time

from odoo import Command

from .common import SubscriptionCase

START, END = date(2026, 3, 1), date(2027, 3, 1)
WINDOW = date(2026, 11, 1)


class RenewalForecastCase(SubscriptionCase):
    """One contract that renews by itself and one that expires, window open."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        freezer = freeze_time("2026-11-01 08:00:00")
        freezer.start()
        cls.addClassCleanup(freezer.stop)
        cls.Renewal = cls.env["saas.renewal"]
        cls.owner = cls.new_user("renewal_owner", "sales_team.group_sale_salesman")
        cls.admin = cls.new_role_user("administrator")
        cls.auto = cls.create_subscription(
            date_start=START, term_end=END, user_id=cls.owner.id
        )
        cls.other_partner = cls.env["res.partner"].create(
            {"name": "Beta AG", "is_company": True, "email": "beta@example.com"}
        )
        cls.expiring = cls.create_subscription(
            partner_id=cls.other_partner.id,
            date_start=START,
            term_end=END,
            date_end=END,
            user_id=cls.salesperson.id,
        )
        cls.process(WINDOW)

    @classmethod
    def process(cls, day):
        cls.Renewal._process_renewals(day)

    @classmethod
    def renewal(cls, subscription=None):
        return (subscription or cls.auto).renewal_ids.filtered(
            lambda renewal: renewal.term_end == END
        )

    @classmethod
    def codes(cls, subscription=None, day=WINDOW):
        signals = (subscription or cls.auto)._get_renewal_signals(day)
        return {code: points for code, points, _words in signals}

    @classmethod
    def create_invoice(cls, due, partner=None, paid=None):
        move = cls.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": (partner or cls.partner).id,
                "invoice_date": due - timedelta(days=10),
                "invoice_date_due": due,
                "invoice_line_ids": [
                    Command.create({"name": "Work", "price_unit": 100.0})
                ],
            }
        )
        move.action_post()
        if paid:
            cls.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=move.ids
            ).create({"payment_date": paid})._create_payments()
        return move
