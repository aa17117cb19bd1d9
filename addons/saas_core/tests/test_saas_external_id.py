# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import psycopg2

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import SaasCoreCase


@tagged("post_install", "-at_install")
class TestSaasExternalId(SaasCoreCase):
    """Resolve tenants, settle double claims."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Ids = cls.env["saas.external.id"]
        cls.rival = cls.env["res.partner"].create(
            {"name": "Core Rival", "is_company": True, "email": "core@example.com"}
        )

    def claim(self, value="t1", partner=None, company=None):
        return self.Ids._claim(
            "product", "tenant", value, partner or self.account, company or self.company
        )

    def conflicts(self, row):
        return self.env["saas.exception"].search(
            [
                ("code", "=", "external_id.merge_conflict"),
                ("res_id", "=", row.id),
                ("state", "=", "open"),
            ]
        )

    def test_values_are_normalised(self):
        row = self.Ids.create(
            {
                "source": " Product ",
                "kind": "Tenant",
                "value": "  AbC ",
                "partner_id": self.contact.id,
            }
        )
        self.assertEqual(
            (row.source, row.kind, row.value), ("product", "tenant", "AbC")
        )
        self.assertEqual(
            row.partner_id, self.account, "a contact stands for its account"
        )
        self.assertEqual(
            self.Ids._resolve("PRODUCT", "tenant", " AbC", self.company), row
        )
        self.assertFalse(self.Ids._resolve("product", "tenant", "abc", self.company))
        with self.assertRaises(ValidationError):
            row.value = "   "

    @mute_logger("odoo.sql_db")
    def test_unique_per_company(self):
        self.claim()
        with (
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.Ids.create({"source": "product", "kind": "tenant", "value": " t1"})
        self.assertTrue(self.claim(company=self.other_company))

    def test_resolve_many_in_one_query(self):
        rows = self.claim("a") | self.claim("b")
        self.env.flush_all()
        self.env.invalidate_all()
        values = ["a", " b ", "unknown", "a"]
        self.Ids._resolve_many("product", "tenant", values, self.company)  # warm up
        self.env.invalidate_all()
        with self.assertQueryCount(1):
            found = self.Ids._resolve_many("product", "tenant", values, self.company)
        self.assertEqual(found, {"a": rows[0], " b ": rows[1]})
        self.assertEqual(
            self.Ids._resolve_many("product", "tenant", [], self.company), {}
        )
        self.assertFalse(
            self.Ids._resolve_many("product", "tenant", ["a"], self.other_company)
        )

    def test_second_claim_is_a_conflict(self):
        row = self.claim()
        self.assertEqual(self.claim(), row)
        self.assertFalse(self.conflicts(row))
        self.assertEqual(self.claim(partner=self.rival), row)
        self.assertEqual(row.partner_id, self.account, "nothing is taken away")
        conflict = self.conflicts(row)
        self.assertIn("Core Account", conflict.name)
        self.assertIn("Core Rival", conflict.name)
        self.assertIn(row, self.Ids.search([("has_conflict", "=", True)]))
        self.claim(partner=self.rival)
        self.assertEqual(conflict.occurrences, 2)

    def test_keep(self):
        row = self.claim()
        self.claim(partner=self.rival)
        row.action_keep_account()
        self.assertEqual((row.partner_id, row.has_conflict), (self.account, False))
        self.assertFalse(self.conflicts(row))

    def test_move(self):
        row = self.claim()
        self.claim(partner=self.rival)
        row.action_move_to_claimant()
        self.assertEqual((row.partner_id, row.has_conflict), (self.rival, False))
        self.assertFalse(self.conflicts(row))

    def test_ids_follow_a_merge(self):
        row, other = self.claim("t1"), self.claim("t2", self.rival)
        self.claim("t1", self.rival)
        self.assertTrue(self.conflicts(row))
        on_source = self.account._saas_raise("core.both", "x")
        on_target = self.rival._saas_raise("core.both", "x")
        alone = self.account._saas_raise("core.alone", "x")
        self.env["base.partner.merge.automatic.wizard"]._merge(
            (self.account | self.rival).ids, self.rival
        )
        self.env.invalidate_all()
        self.assertEqual((row | other).partner_id, self.rival)
        self.assertFalse(row.has_conflict)
        self.assertFalse(self.conflicts(row))
        self.assertEqual(on_source.state, "resolved")
        self.assertEqual(on_target.state, "open")
        self.assertEqual((alone.res_id, alone.account_id), (self.rival.id, self.rival))
