# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.tests import HttpCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestPortal(HttpCase):
    """Over HTTP: what a customer sees, closes and reopens."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = cls.env.ref("helpdesk_mgmt.helpdesk_ticket_stage_done")
        cls.done.close_from_portal = True
        cls.progress = cls.env.ref("helpdesk_mgmt.helpdesk_ticket_stage_in_progress")
        cls.tickets = cls.env["helpdesk.ticket"]
        for name in ("ada", "eve"):
            account = cls.env["res.partner"].create(
                {"name": f"{name} Ltd", "is_company": True}
            )
            user = new_test_user(
                cls.env, f"portal_{name}", "base.group_portal", name=name.title()
            )
            user.partner_id.parent_id = account
            cls.tickets |= cls.env["helpdesk.ticket"].create(
                {
                    "name": f"Ticket of {name}",
                    "description": "x",
                    "partner_id": user.partner_id.id,
                    "user_id": False,
                }
            )
        cls.mine, cls.theirs = cls.tickets

    def close(self, ticket, method="POST", stage=None, **extra):
        """Send the close form."""
        data = {"ticket_id": ticket.id, "stage_id": (stage or self.done).id, **extra}
        if method == "GET":
            query = "&".join(f"{key}={value}" for key, value in data.items())
            return self.url_open(f"/ticket/close?{query}")
        return self.url_open("/ticket/close", data=data)

    def token(self):
        """Return the CSRF token of the session."""
        return http.Request.csrf_token(self)

    def test_owner_closes_and_reopens(self):
        self.authenticate("portal_ada", "portal_ada")
        page = self.url_open(f"/my/ticket/{self.mine.id}")
        self.assertIn('action="/ticket/close"', page.text)
        self.assertIn('name="csrf_token"', page.text)
        self.assertIn("First response", page.text)
        response = self.close(self.mine, csrf_token=self.token())
        self.assertIn(f"/my/ticket/{self.mine.id}", response.url)
        self.assertEqual(self.mine.stage_id, self.done)
        self.assertTrue(self.mine.closed_date)
        page = self.url_open(f"/my/ticket/{self.mine.id}")
        self.assertIn("opened again", page.text)
        self.make_jsonrpc_request(
            "/mail/message/post",
            {
                "thread_model": "helpdesk.ticket",
                "thread_id": self.mine.id,
                "post_data": {
                    "body": "Not solved",
                    "message_type": "comment",
                    "subtype_xmlid": "mail.mt_comment",
                },
            },
        )
        self.assertEqual(self.mine.stage_id, self.progress)
        self.assertFalse(self.mine.closed_date)

    def test_stranger_cannot_close(self):
        self.authenticate("portal_ada", "portal_ada")
        before = self.theirs.stage_id
        response = self.close(self.theirs, csrf_token=self.token())
        self.assertNotIn("/my/ticket/", response.url)
        self.assertEqual(self.theirs.stage_id, before)

    def test_get_and_missing_token_are_refused(self):
        self.authenticate("portal_ada", "portal_ada")
        self.assertEqual(self.close(self.mine, "GET").status_code, 405)
        self.assertEqual(self.close(self.mine).status_code, 400)
        self.assertNotEqual(self.mine.stage_id, self.done)

    def test_nonsense_is_answered_with_the_portal(self):
        self.authenticate("portal_ada", "portal_ada")
        for ticket, stage in (("abc", "1"), ("999999999", "1"), ("", "")):
            response = self.url_open(
                "/ticket/close",
                data={
                    "ticket_id": ticket,
                    "stage_id": stage,
                    "csrf_token": self.token(),
                },
            )
            self.assertEqual(response.status_code, 200)
            self.assertTrue(response.url.endswith("/my"), response.url)

    def test_only_offered_stages_close(self):
        self.authenticate("portal_ada", "portal_ada")
        rejected = self.env.ref("helpdesk_mgmt.helpdesk_ticket_stage_rejected")
        rejected.close_from_portal = False
        self.close(self.mine, stage=rejected, csrf_token=self.token())
        self.assertNotEqual(self.mine.stage_id, rejected)

    def test_closing_twice_is_harmless(self):
        self.authenticate("portal_ada", "portal_ada")
        self.close(self.mine, csrf_token=self.token())
        log = self.mine.saas_sla_event_ids
        self.close(self.mine, csrf_token=self.token())
        self.assertEqual(self.mine.saas_sla_event_ids, log)

    def test_visitor_is_sent_to_the_login(self):
        self.authenticate(None, None)
        response = self.close(self.mine, csrf_token=self.token())
        self.assertNotEqual(self.mine.stage_id, self.done)
        self.assertNotIn("/my/ticket/", response.url.split("?")[0])
