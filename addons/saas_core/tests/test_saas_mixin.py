# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from psycopg2.errors import SerializationFailure

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import SaasCoreCase

CODE = "core.step_failed"


@tagged("post_install", "-at_install")
class TestSaasMixin(SaasCoreCase):
    """A faulty document stops itself only, and a person hears of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kpi = cls.env["saas.kpi"].search([], limit=1)

    def attempt(self, step, **kwargs):
        return self.kpi._saas_attempt(step, CODE, "saas_retry_compute", **kwargs)

    def get_open(self):
        return self.kpi._saas_get_open_exceptions(CODE)

    def fail_step(self, error=None):
        """Return a step that writes something and fails."""

        def step(record):
            record.name = "Half done"
            raise error or UserError("No account is set.")

        return step

    def test_failure_is_undone_and_queued(self):
        before = self.kpi.name
        worked = self.attempt(self.fail_step(), queue="finance", severity="high")
        self.assertFalse(worked)
        self.assertEqual(self.kpi.name, before)
        exception = self.get_open()
        self.assertEqual(exception.name, "No account is set.")
        self.assertEqual(exception.retry_method, "saas_retry_compute")
        self.assertEqual((exception.queue, exception.severity), ("finance", "high"))

    def test_an_error_without_words_is_named(self):
        self.attempt(self.fail_step(ValueError()))
        self.assertEqual(self.get_open().name, "ValueError()")

    def test_success_resolves_when_it_shall(self):
        self.attempt(self.fail_step())
        self.assertTrue(self.attempt(lambda one: one.flush_recordset()))
        self.assertTrue(self.get_open())
        self.assertTrue(self.attempt(lambda one: one.name, resolves=True))
        self.assertFalse(self.get_open())

    def test_a_lost_race_is_no_failure(self):
        with self.assertRaises(SerializationFailure):
            self.attempt(self.fail_step(SerializationFailure()))
        self.assertFalse(self.get_open())

    def test_a_batch_is_tried_as_one(self):
        kpis = self.env["saas.kpi"].search([], limit=2)
        self.assertIsNone(kpis._saas_try(lambda them: them.mapped("name")))
        error = kpis._saas_try(lambda them: them.ensure_one())
        self.assertIsInstance(error, ValueError)
