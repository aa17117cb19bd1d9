# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import LockNotAvailable, UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import RetryMethodError
from .common import SaasCoreCase

NOW = "2026-03-02 08:00:00"


@tagged("post_install", "-at_install")
class TestSaasException(SaasCoreCase):
    """Raise once, work, close."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.queue = cls.env["saas.exception.queue"]._get_for(cls.company, "integration")
        cls.queue.write({"owner_id": False, "due_hours_medium": 72, "remind_hours": 2})
        cls.kpi = cls.env.ref("saas_core.saas_kpi_open_exceptions")

    # -- raise ---------------------------------------------------------
    def test_raise_is_de_duplicated(self):
        first = self.raise_exception(message="One")
        second = self.raise_exception(message="Two", severity="critical")
        self.assertEqual(first, second)
        self.assertEqual(first.occurrences, 2)
        self.assertEqual(first.name, "Two")
        self.assertEqual(first.severity, "critical", "the gravest one counts")
        self.raise_exception(severity="low")
        self.assertEqual(first.severity, "critical")
        self.assertNotEqual(self.raise_exception(code="core.other"), first)
        other = self.account.with_company(self.other_company)._saas_raise(
            "core.test", "x"
        )
        self.assertNotEqual(other, first)
        self.assertNotEqual(self.raise_exception(record=self.contact), first)
        self.account._saas_resolve("core.test")
        self.assertEqual(first.state, "resolved")
        self.assertNotEqual(self.raise_exception(), first, "a closed one is not reused")

    def test_raise_without_record(self):
        Exceptions = self.env["saas.exception"]
        first = Exceptions._saas_raise_for(self.company, "feed.late", "Late")
        self.assertEqual(first.res_id, 0)
        self.assertEqual(
            Exceptions._saas_raise_for(self.company, "feed.late", "Late"), first
        )
        keyed = Exceptions._saas_raise_for(self.company, "feed.late", "Late", key="eu")
        self.assertNotEqual(keyed, first)
        with self.assertRaises(UserError):
            Exceptions._saas_raise_for(self.company, "a.b", "x", queue="nowhere")
        with self.assertRaises(UserError):
            first.action_open_record()

    def test_raise_fills_in_owner_due_and_account(self):
        self.queue.owner_id = self.users["administrator"]
        with freeze_time(NOW):
            exception = self.raise_exception(record=self.contact)
        self.assertEqual(exception.owner_id, self.users["administrator"])
        self.assertEqual(exception.account_id, self.account)
        self.assertEqual(
            exception.due_at, fields.Datetime.to_datetime("2026-03-05 08:00:00")
        )
        self.assertEqual(
            exception.reminder_at, fields.Datetime.to_datetime("2026-03-05 06:00:00")
        )
        event = self.events("exception.opened", res_id=exception.id)
        self.assertEqual(event.correlation_id, self.contact._saas_correlation())

    def test_raise_by_a_user_without_rights(self):
        user = self.users["internal"]
        record = self.account.with_user(user)
        exception = record._saas_raise("core.test", "x")
        self.assertTrue(exception.exists())
        with self.assertRaises(AccessError):
            exception.read(["name"])

    def test_raise_after_a_rolled_back_savepoint(self):
        try:
            with self.env.cr.savepoint():
                self.account.name = "half done"
                raise ValueError("boom")
        except ValueError as error:
            exception = self.raise_exception(message=str(error))
        self.assertEqual(exception.name, "boom")
        self.assertEqual(self.account.name, "Core Account")

    def test_unknown_retry_method_is_refused(self):
        for method in ("unlink", "saas_retry_nothing", "_compute_value_count", ""):
            with self.subTest(method):
                if not method:
                    self.assertTrue(self.raise_exception(retry_method=method))
                    continue
                with self.assertRaises(RetryMethodError):
                    self.raise_exception(record=self.kpi, retry_method=method)

    # -- work ----------------------------------------------------------
    def retryable(self):
        return self.raise_exception(record=self.kpi, retry_method="saas_retry_compute")

    def test_retry_success_resolves(self):
        exception = self.retryable()
        result = exception.action_retry()
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(exception.retry_count, 1)
        self.assertTrue(exception.closed_at)
        self.assertEqual(result["params"]["type"], "success")
        self.assertTrue(self.events("exception.resolved", res_id=exception.id))

    def test_retry_failure_is_logged_and_rolled_back(self):
        exception = self.retryable()

        def fail(kpi):
            kpi.sudo().name = "half done"
            self.assertEqual(exception.state, "retrying")
            raise UserError("still broken")

        with patch.object(type(self.kpi), "saas_retry_compute", fail):
            result = exception.action_retry()
        self.assertEqual(exception.state, "open")
        self.assertEqual(exception.last_error, "still broken")
        self.assertEqual(exception.retry_count, 1)
        self.assertEqual(self.kpi.name, "Open Exceptions")
        self.assertEqual(result["params"]["type"], "warning")
        self.assertIn("still broken", exception.message_ids[0].body)

    def test_a_duplicate_is_a_failure_and_a_lost_race_is_none(self):
        exception = self.retryable()
        retried = patch.object(type(self.kpi), "saas_retry_compute")
        with retried as retry:
            retry.side_effect = UniqueViolation("twice")
            exception.action_retry()
            self.assertEqual(exception.state, "open")
            self.assertEqual(exception.last_error, "twice")
            # The framework repeats the request.
            retry.side_effect = LockNotAvailable("busy")
            with self.assertRaises(LockNotAvailable):
                exception.action_retry()

    def test_retry_runs_with_the_users_rights(self):
        exception = self.retryable()
        exception.write({"owner_id": self.users["billing_operator"].id})
        exception.with_user(self.users["billing_operator"]).action_retry()
        self.assertEqual(exception.state, "open")
        self.assertTrue(exception.last_error)

    def test_retry_of_a_deleted_record(self):
        kpi = self.kpi.copy({"code": "core_gone"})
        exception = self.raise_exception(record=kpi, retry_method="saas_retry_compute")
        kpi.unlink()
        exception.action_retry()
        self.assertEqual(exception.state, "open")
        self.assertIn("gone", exception.last_error)
        self.assertEqual(exception.res_name, "Deleted record")

    def test_nothing_to_retry(self):
        with self.assertRaises(UserError):
            self.raise_exception().action_retry()

    def test_many_at_once(self):
        exceptions = self.retryable() | self.raise_exception()
        exceptions.action_retry()
        self.assertEqual(exceptions.mapped("state"), ["resolved", "open"])

    def test_ignore_needs_a_reason(self):
        exception = self.raise_exception()
        wizard = self.env["saas.exception.ignore.wizard"].create(
            {"exception_ids": exception.ids, "reason": "  "}
        )
        with self.assertRaises(UserError):
            wizard.action_confirm()
        wizard.reason = "Test customer"
        wizard.action_confirm()
        self.assertEqual(exception.state, "ignored")
        self.assertEqual(exception.close_reason, "Test customer")
        self.assertEqual(len(self.events("exception.ignored", res_id=exception.id)), 1)

    def test_reopen(self):
        exception = self.raise_exception()
        exception.action_resolve()
        exception.action_reopen()
        self.assertEqual(exception.state, "open")
        self.assertFalse(exception.closed_at)
        exception.action_resolve()
        self.raise_exception()
        with self.assertRaisesRegex(UserError, "open already"):
            exception.action_reopen()

    def test_assign_to_me(self):
        user = self.users["administrator"]
        exception = self.raise_exception().with_user(user)
        exception.action_assign_to_me()
        self.assertEqual(exception.owner_id, user)

    def test_facts_are_not_written_by_hand(self):
        exception = self.raise_exception().with_user(self.users["administrator"])
        for vals in ({"state": "resolved"}, {"retry_method": "unlink"}, {"res_id": 1}):
            with self.subTest(vals), self.assertRaises(AccessError):
                exception.write(vals)
        exception.write({"severity": "low", "queue": "finance"})
        self.assertEqual(exception.severity_rank, 0)

    def test_open_record_respects_rights(self):
        user = self.users["billing_operator"]
        exception = self.raise_exception(record=self.kpi)
        exception.owner_id = user
        self.assertEqual(exception.action_open_record()["res_id"], self.kpi.id)
        exception.write({"res_model": "ir.cron", "res_id": 1})
        exception.invalidate_recordset()
        with self.assertRaises(AccessError):
            exception.with_user(user).action_open_record()
        self.assertEqual(exception.with_user(user).res_name, "No access")

    # -- time ----------------------------------------------------------
    def test_reminders_come_once_each(self):
        self.queue.owner_id = self.users["administrator"]
        with freeze_time(NOW):
            exception = self.raise_exception()
        due = exception.due_at
        for moment, wanted in (
            (due - timedelta(hours=3), 0),
            (due - timedelta(hours=1), 1),
            (due - timedelta(minutes=30), 1),
            (due + timedelta(minutes=1), 2),
            (due + timedelta(days=1), 2),
        ):
            with freeze_time(moment), self.enter_registry_test_mode():
                self.env.flush_all()
                cron = self.env.ref("saas_core.ir_cron_saas_exception_remind")
                cron.method_direct_trigger()
            self.env.invalidate_all()
            self.assertEqual(len(exception.activity_ids), wanted, moment)
        self.assertEqual(exception.activity_ids.user_id, self.users["administrator"])
        exception._resolve("done")
        self.assertFalse(exception.activity_ids, "closing ends the reminders")

    def test_no_owner_no_reminder_but_later(self):
        with freeze_time(NOW):
            exception = self.raise_exception()
        late = exception.due_at + timedelta(days=1)
        with freeze_time(late):
            self.assertTrue(exception.is_overdue)
            exception.owner_id = self.users["administrator"]
            exception._remind(fields.Datetime.now())
        self.assertEqual(len(exception.activity_ids), 1)
        self.assertIn("Overdue", exception.activity_ids.summary)

    def test_new_due_time_sets_a_new_reminder(self):
        with freeze_time(NOW):
            exception = self.raise_exception()
            exception.reminder_at = False
            exception.due_at = "2026-03-20 10:00:00"
        self.assertEqual(
            exception.reminder_at, fields.Datetime.to_datetime("2026-03-20 08:00:00")
        )

    # -- automation and settings ---------------------------------------
    def test_critical_exception_makes_one_activity(self):
        self.queue.owner_id = self.users["administrator"]
        exception = self.raise_exception(severity="critical")
        self.env.flush_all()
        self.assertEqual(len(exception.activity_ids), 1)
        exception.saas_notify_critical()
        self.raise_exception(severity="critical")
        self.assertEqual(len(exception.activity_ids), 1)
        quiet = self.raise_exception(code="core.quiet")
        self.assertFalse(quiet.activity_ids)
        quiet.severity = "critical"
        self.assertEqual(len(quiet.activity_ids), 1)

    def test_every_company_has_its_queues(self):
        company = self.env["res.company"].create({"name": "Third"})
        Settings = self.env["saas.exception.queue"].sudo()
        self.assertEqual(Settings.search_count([("company_id", "=", company.id)]), 4)
        Settings._ensure_all()
        self.assertEqual(Settings.search_count([("company_id", "=", company.id)]), 4)

    @mute_logger("odoo.sql_db")
    def test_default_owner_must_be_able_to_work(self):
        for role in ("internal", "user", "auditor", "stranger"):
            with self.subTest(role), self.assertRaises(ValidationError):
                self.queue.owner_id = self.users[role]

    def test_queue_counts(self):
        before = self.queue.open_count
        with freeze_time(NOW):
            self.raise_exception()
        self.queue.invalidate_recordset()
        self.assertEqual(self.queue.open_count, before + 1)
        self.assertGreaterEqual(self.queue.overdue_count, 1)
        self.assertEqual(self.queue.action_view_open()["res_model"], "saas.exception")

    # -- smart buttons -------------------------------------------------
    def test_buttons_count_and_open(self):
        self.raise_exception()
        self.raise_exception(record=self.contact)
        self.assertEqual(self.account.saas_exception_count, 2, "of the whole account")
        domain = self.account.action_view_saas_exceptions()["domain"]
        self.assertEqual(self.env["saas.exception"].search_count(domain), 2)
        self.assertEqual(self.kpi.saas_exception_count, 0)
        self.raise_exception(record=self.kpi)
        self.kpi.invalidate_recordset()
        self.assertEqual(self.kpi.saas_exception_count, 1)
        self.assertTrue(self.account.action_view_saas_events()["domain"])

    def test_buttons_are_on_every_form(self):
        for model in ("res.partner", "saas.kpi", "saas.external.id"):
            arch = self.env[model].get_view(view_type="form")["arch"]
            for name in ("action_view_saas_exceptions", "action_view_saas_events"):
                self.assertEqual(arch.count(f'name="{name}"'), 1, (model, name))
        arch = (
            self.env["res.partner"]
            .with_user(self.users["internal"])
            .get_view(view_type="form")["arch"]
        )
        self.assertNotIn("action_view_saas_exceptions", arch)

    def test_correlation_is_stored_once_without_write(self):
        partner = self.env["res.partner"].create({"name": "New"})
        with patch.object(type(partner), "write", side_effect=AssertionError):
            value = partner._saas_correlation()
            self.assertEqual(partner._saas_correlation(), value)
        self.assertRegex(value, "^[0-9a-f]{32}$")
        self.assertFalse(partner.copy().saas_correlation_id)
        kpi = self.kpi.copy({"code": "core_copy"})
        linked = kpi.with_context(saas_correlation_id=value)
        self.assertEqual(linked._saas_correlation(), value)
        self.assertEqual(
            kpi._saas_with_correlation().env.context["saas_correlation_id"], value
        )

    # -- KPI -----------------------------------------------------------
    def test_kpi_counts_what_was_open(self):
        Exceptions = self.env["saas.exception"]

        def count(day, end):
            row = Exceptions._saas_kpi_open_exceptions(
                self.kpi, self.other_company, day, end
            )[0]
            self.assertEqual(Exceptions.search_count(row["domain"]), row["value"])
            return row["value"]

        days = [fields.Date.to_date(f"2026-03-0{n}") for n in (1, 2, 3, 4)]
        record = self.account.with_company(self.other_company)
        with freeze_time("2026-03-01 12:00:00"):
            record._saas_raise("core.a", "x")
            record._saas_raise("core.b", "x")
        with freeze_time("2026-03-02 12:00:00"):
            record._saas_resolve("core.a")
            self.env.flush_all()
            self.assertEqual(count(days[1], days[2]), 1, "the day still runs")
        self.assertEqual(count(days[0], days[1]), 2)
        self.assertEqual(count(days[1], days[2]), 1)
