# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta

from odoo.tests import HttpCase, tagged

from ..controllers.openapi import build_document
from .test_entitlement import EntitlementFixture

PATH = "/saas/v1/entitlements/"


@tagged("post_install", "-at_install")
class TestEntitlementHttp(EntitlementFixture, HttpCase):
    """A product asks what its customer may use."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_features()
        cls.tie("team/a b", cls.subscription)
        cls.key = cls.make_key(cls.new_user("feature_sender", "integration"))

    @classmethod
    def make_key(cls, user):
        # sudo: keys of service users may live longer than their own right allows
        keys = cls.env["res.users.apikeys"].with_user(user).sudo()
        return keys._generate(None, "Test", datetime.now() + timedelta(days=1))

    def get(self, rest, key=None, method="GET"):
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return self.url_open(PATH + rest, headers=headers, method=method)

    def assertRefused(self, response, status, code):
        self.assertEqual(response.status_code, status, response.text[:300])
        self.assertEqual(response.json()["error"]["code"], code)

    def test_answer(self):
        answer = self.get("client-1?source=weblog&feature=seats")
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.headers["Cache-Control"], "private, max-age=10")
        self.assertEqual(
            answer.json(),
            {
                "subject": "client-1",
                "account_standing": "good",
                "subscriptions": [
                    {
                        "subscription": self.subscription.name,
                        "state": "active",
                        "features": [
                            {
                                "code": "seats",
                                "kind": "limit",
                                "granted": True,
                                "value": None,
                                "limit": "2",
                                "used": None,
                                "remaining": None,
                                "overage": "hard",
                                "resets_at": None,
                            }
                        ],
                    }
                ],
            },
        )
        self.assertEqual(len(self.get("client-1").json()["subscriptions"]), 1)

    def test_subjects_may_have_slashes_and_blanks(self):
        answer = self.get("team/a%20b")
        self.assertEqual(answer.json()["subject"], "team/a b")

    def test_a_subject_of_several_accounts_is_a_conflict(self):
        self.tie("client-1", partner=self.create_partner("Globex"), source="crm")
        self.assertRefused(self.get("client-1"), 409, "ambiguous_subject")
        self.assertEqual(self.get("client-1?source=weblog").status_code, 200)

    def test_what_is_not_known_or_not_understood(self):
        for subject in ("nobody", "x" * 300, "a%00b", "%E2%80%AE", "client-1%0A"):
            self.assertRefused(self.get(subject), 404, "unknown_subject")
        self.assertRefused(self.get("client-1?source=no"), 404, "unknown_subject")
        self.assertRefused(self.get("client-1?features=x"), 422, "bad_parameter")
        post = self.get("client-1", method="POST")
        self.assertRefused(post, 405, "method_not_allowed")

    def test_only_the_role_integration_may_ask(self):
        plain = self.make_key(self.new_user("feature_operator", "billing_operator"))
        self.assertRefused(self.get("client-1", plain), 403, "forbidden")
        self.assertRefused(self.get("client-1", "wrong"), 401, "unauthorized")
        elsewhere = self.create_company("Elsewhere Ltd")
        foreign = self.make_key(
            self.new_user("feature_foreign", "integration", elsewhere)
        )
        self.assertRefused(self.get("client-1", foreign), 404, "unknown_subject")

    def test_the_document_names_what_is_answered(self):
        document = build_document()
        route = document["paths"]["/saas/v1/entitlements/{subject}"]["get"]
        self.assertEqual(
            [one["name"] for one in route["parameters"]][:3],
            ["subject", "source", "feature"],
        )
        schema = document["components"]["schemas"]["Entitlements"]
        rows = schema["properties"]["subscriptions"]["items"]["properties"]
        [feature] = self.get("client-1?feature=seats").json()["subscriptions"][0][
            "features"
        ]
        self.assertEqual(set(feature), set(rows["features"]["items"]["properties"]))
