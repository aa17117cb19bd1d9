# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

import psycopg2
from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..exceptions import LedgerError
from .common_renewal_forecast import END, START, WINDOW, RenewalForecastCase


@tagged("post_install", "-at_install")
class TestSaasRenewalKept(RenewalForecastCase):
    """Forecasts that are kept, the key figures made of them, and who may what."""

    def kinds(self, subscription=None):
        snapshots = self.renewal(subscription).snapshot_ids.sorted("date")
        return [(snapshot.kind, snapshot.date) for snapshot in snapshots]

    def test_window_then_monthly_each_once(self):
        self.assertEqual(self.kinds(), [("window", WINDOW)])
        for day in (WINDOW, date(2026, 11, 20), date(2026, 12, 4), date(2026, 12, 4)):
            self.process(day)
        # The job was down until the 9th.
        self.process(date(2027, 1, 9))
        self.process(date(2027, 1, 10))
        self.assertEqual(
            self.kinds(),
            [
                ("window", WINDOW),
                ("month", date(2026, 12, 4)),
                ("month", date(2027, 1, 9)),
            ],
        )

    def test_what_was_forecast_stays_when_the_forecast_moves(self):
        snapshot = self.renewal().snapshot_ids
        self.renewal().with_user(self.csm).category = "lost"
        self.assertEqual(snapshot.category, "commit")
        self.assertEqual(snapshot.amount_forecast, 6000.0)
        self.assertEqual(snapshot.user_id, self.owner)
        self.assertEqual(self.renewal().amount_kept, 6000.0)
        self.assertTrue(self.renewal().is_forecast_kept)

    def test_a_moved_term_end_takes_its_forecast_along(self):
        renewal = self.renewal()
        renewal.with_user(self.csm).category = "at_risk"
        self.auto.with_user(self.manager).pause(
            date_effective=date(2026, 11, 10),
            date_resume=date(2026, 11, 20),
            pause_mode="extend",
        )
        other = self.auto.renewal_ids - renewal
        self.assertEqual((renewal.outcome, other.outcome), ("moved", "open"))
        self.assertEqual(
            (other.category, other.category_user_id), ("at_risk", self.csm)
        )
        self.assertEqual((other.likelihood, other.date_forecast), (85, WINDOW))
        self.assertEqual(other.snapshot_ids.mapped("kind"), ["window"])
        self.assertEqual(other.amount_kept, 6000.0)
        self.assertEqual(other.snapshot_ids.date, WINDOW)

    def test_nobody_changes_a_snapshot(self):
        snapshot = self.renewal().snapshot_ids
        for user in (self.manager, self.admin):
            own = snapshot.with_user(user)
            with self.assertRaises(LedgerError):
                own.write({"amount_forecast": 1.0})
            with self.assertRaises(AccessError):
                own.unlink()
            with self.assertRaises(LedgerError):
                own.create(self.renewal()._prepare_snapshot_vals("month", WINDOW))
        with self.assertRaises(LedgerError):
            snapshot.sudo().write({"amount_forecast": 1.0})
        with self.assertRaises(LedgerError):
            snapshot.sudo().unlink()

    def test_the_database_refuses_as_well(self):
        snapshot = self.renewal().snapshot_ids
        for query in (
            "UPDATE saas_renewal_snapshot SET amount_forecast = 1 WHERE id = %s",
            "DELETE FROM saas_renewal_snapshot WHERE id = %s",
        ):
            with (
                self.assertRaises(psycopg2.errors.RestrictViolation),
                mute_logger("odoo.sql_db"),
                self.cr.savepoint(),
            ):
                self.cr.execute(query, [snapshot.id])

    def test_a_window_is_kept_once(self):
        renewal = self.renewal()
        self.assertFalse(renewal._take_snapshots("window", date(2026, 11, 5)))
        with (
            self.assertRaises(psycopg2.errors.UniqueViolation),
            mute_logger("odoo.sql_db"),
            self.cr.savepoint(),
        ):
            self.env["saas.renewal.snapshot"].sudo().create(
                renewal._prepare_snapshot_vals("window", date(2026, 11, 5))
            )

    def test_forecast_against_actual_by_reason(self):
        reason = self.env["crm.lost.reason"].create({"name": "Budget"})
        self.auto.with_user(self.manager).cancel()
        self.renewal().with_user(self.manager).lost_reason_id = reason
        self.expiring.with_user(self.manager).renew()
        rows = self.env["saas.renewal.snapshot"]._read_group(
            [
                (
                    "renewal_id",
                    "in",
                    (self.renewal() | self.renewal(self.expiring)).ids,
                ),
                ("kind", "=", "window"),
            ],
            ["outcome", "lost_reason_id"],
            ["amount_forecast:sum", "amount_pure:sum", "amount_deviation:sum"],
        )
        empty = self.env["crm.lost.reason"]
        self.assertCountEqual(
            rows,
            [
                ("renewed", empty, 4200.0, 6000.0, 1800.0),
                ("cancelled", reason, 6000.0, 0.0, 6000.0),
            ],
        )

    def test_each_snapshot_has_its_own_deviation(self):
        renewal = self.renewal(self.expiring)
        renewal.with_user(self.csm).category = "lost"
        self.process(date(2026, 12, 4))
        month = renewal.snapshot_ids.filtered(lambda one: one.kind == "month")
        self.assertEqual((month.amount_forecast, month.amount_deviation), (0.0, 0.0))
        self.expiring.with_user(self.manager).renew()
        self.assertEqual(month.amount_deviation, 6000.0)
        rows = self.env["saas.renewal.snapshot"]._read_group(
            [("renewal_id", "=", renewal.id)],
            ["kind", "user_id"],
            ["amount_deviation:sum"],
        )
        owner = self.salesperson
        self.assertCountEqual(
            rows, [("window", owner, 1800.0), ("month", owner, 6000.0)]
        )

    # Key figures ------------------------------------------------------
    def compute(self, code, start=date(2027, 3, 1)):
        kpi = self.env.ref(f"saas_subscription_ops.saas_kpi_{code}")
        values = kpi._compute_period(
            self.company, start, fields.Date.add(start, months=1)
        )
        return {value.dimension or "": value for value in values}

    def test_available_in_company_currency(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": usd.id,
                "company_id": self.company.id,
                "name": date(2026, 1, 1),
                "rate": 2.0,
            }
        )
        subscription = self.create_subscription(
            date_start=START, term_end=END, currency_id=usd.id
        )
        self.process(WINDOW)
        self.assertEqual(self.renewal(subscription).amount_available, 6000.0)
        value = self.compute("renewal_available")[""]
        self.assertEqual(value.value, 15000.0)
        self.assertEqual(value.currency_id, self.company.currency_id)
        action = value.action_drill_down()
        found = self.Renewal.search(action["domain"])
        self.assertEqual(
            found, self.renewal() | self.renewal(self.expiring) | found[-1]
        )
        self.assertEqual(len(found), 3)
        self.assertEqual(
            self.compute("renewal_available", date(2027, 4, 1))[""].value, 0
        )

    def test_rates(self):
        self.auto.with_user(self.manager).renew(
            lines=[{"line_id": self.auto.line_ids.id, "price_unit": 400.0}]
        )
        self.assertEqual(self.renewal().amount_contraction, 1200.0)
        self.assertFalse(self.compute("renewal_gross_rate", date(2027, 5, 1)))
        self.assertEqual(self.compute("renewal_gross_rate")[""].value, 80.0)
        self.assertEqual(self.compute("renewal_on_time_rate")[""].value, 100.0)
        self.assertEqual(self.compute("renewal_forecast_coverage")[""].value, 100.0)
        # Nobody decides about the other one: it expires late.
        with freeze_time("2027-03-02 08:00:00"):
            self.env["saas.subscription"]._process_lifecycle(date(2027, 3, 2))
            self.process(date(2027, 3, 2))
        renewal = self.renewal(self.expiring)
        self.assertEqual((renewal.outcome, renewal.category), ("expired", "lost"))
        self.assertFalse(renewal.is_on_time)
        self.assertEqual(self.compute("renewal_on_time_rate")[""].value, 50.0)
        self.assertEqual(self.compute("renewal_gross_rate")[""].value, 40.0)

    def test_coverage_misses_terms_that_were_never_forecast(self):
        # Renewed before its window: nobody had a forecast.
        early = self.create_subscription(date_start=START, term_end=END)
        early.with_user(self.manager).renew()
        self.assertFalse(early.renewal_ids.is_forecast_kept)
        self.assertEqual(self.compute("renewal_forecast_coverage")[""].value, 66.67)

    def test_accuracy_per_owner(self):
        self.auto.with_user(self.manager).renew()
        self.expiring.with_user(self.manager).renew()
        values = self.compute("renewal_forecast_accuracy")
        # 1 - |10200 - 12000| / 12000, and 1 - |4200 - 6000| / 6000
        self.assertEqual(values[""].value, 85.0)
        self.assertEqual(values[self.owner.name].value, 100.0)
        self.assertEqual(values[self.salesperson.name].value, 70.0)
        action = values[self.salesperson.name].action_drill_down()
        found = self.Renewal.search(action["domain"])
        self.assertEqual(found, self.renewal(self.expiring))

    def test_accuracy_counts_for_the_owner_of_the_window(self):
        self.salesperson.name = self.owner.name
        self.renewal().sudo().user_id = self.csm
        self.auto.with_user(self.manager).renew()
        self.expiring.with_user(self.manager).renew()
        values = self.compute("renewal_forecast_accuracy")
        names = {
            f"{user.name} ({user.login})" for user in (self.owner, self.salesperson)
        }
        self.assertEqual(set(values), {"", *names})

    def test_nothing_decided_has_no_rate(self):
        for code in ("forecast_accuracy", "on_time_rate", "gross_rate"):
            self.assertFalse(self.compute(f"renewal_{code}"))

    # Who may what ----------------------------------------------------
    def test_category_and_target(self):
        renewal = self.renewal()
        for user in (self.manager, self.csm, self.owner):
            own = renewal.with_user(user)
            own.write({"category": "at_risk", "amount_target": 7000.0})
            self.assertEqual(own.category_user_id, user)
        for user in (self.salesperson, self.auditor, self.operator):
            with self.assertRaises(AccessError):
                renewal.with_user(user).write({"category": "commit"})
            with self.assertRaises(AccessError):
                renewal.with_user(user).write({"amount_target": 1.0})

    def test_facts_are_not_entered(self):
        for vals in (
            {"amount_available": 1.0},
            {"outcome": "renewed"},
            {"likelihood": 100},
            {"category_user_id": self.env.uid},
            {"is_manual_forecast": True},
        ):
            with self.assertRaises(AccessError):
                self.renewal().with_user(self.manager).write(vals)

    def test_steps_of_the_forecast(self):
        renewal = self.renewal()
        renewal.with_user(self.owner).action_refresh_forecast()
        for call in ("action_refresh_forecast", "action_follow_likelihood"):
            with self.assertRaises(AccessError):
                getattr(renewal.with_user(self.auditor), call)()

    def test_reading(self):
        for user in (self.auditor, self.salesperson):
            renewal = self.renewal().with_user(user)
            self.assertEqual(renewal.amount_available, 6000.0)
            self.assertTrue(renewal.snapshot_ids.read(["amount_forecast"]))
            self.assertEqual(self.auto.with_user(user).renewal_count, 1)

    def test_the_owner_works_on_the_form(self):
        renewal = self.renewal().with_user(self.owner)
        with Form(renewal) as form:
            form.amount_target = 7000.0
            form.category = "best_case"
        self.assertEqual(renewal.amount_target, 7000.0)
        self.assertEqual(renewal.amount_forecast, 4800.0)
        self.assertTrue(renewal.is_manual_category)

    def test_portal_users_see_nothing(self):
        contact = self.env["res.partner"].create(
            {"name": "Jane", "parent_id": self.partner.id}
        )
        buyer = new_test_user(
            self.env,
            login="renewal_buyer",
            groups="base.group_portal",
            partner_id=contact.id,
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        for record in (self.renewal(), self.renewal().snapshot_ids):
            with self.assertRaises(AccessError):
                record.with_user(buyer).read(["category"])
        with self.assertRaises(AccessError):
            self.env["saas.renewal.signal"].with_user(buyer).search([])
        with self.assertRaises(AccessError):
            self.auto.with_user(buyer).read(["renewal_count"])

    def test_other_companies_see_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere Inc"})
        stranger = self.new_user(
            "renewal_stranger",
            "saas_core.group_saas_core_subscription_manager",
            company,
        )
        own = self.env(user=stranger, context={"allowed_company_ids": company.ids})
        for record in (self.renewal(), self.renewal().snapshot_ids):
            self.assertFalse(own[record._name].search([]))
            with self.assertRaises(AccessError):
                record.with_env(own).read(["category"])

    def test_lost_is_told_by_the_native_dialog(self):
        renewal = self.renewal().with_user(self.owner)
        renewal.action_open_lead()
        self.assertEqual(renewal.lead_id.saas_renewal_count, 1)
        reason = self.env["crm.lost.reason"].create({"name": "Price"})
        action = renewal.action_mark_lost()
        wizard = (
            self.env["crm.lead.lost"]
            .with_user(self.owner)
            .with_context(**action["context"])
            .create({})
        )
        with self.assertRaisesRegex(UserError, "Choose a Lost Reason"):
            wizard.action_lost_reason_apply()
        self.assertNotEqual(renewal.category, "lost")
        wizard.lost_reason_id = reason
        wizard.action_lost_reason_apply()
        self.assertEqual(renewal.category, "lost")
        self.assertEqual(renewal.lost_reason_id, reason)
        self.assertEqual(renewal.amount_forecast, 0.0)
        self.assertEqual(renewal.outcome, "open")
        self.assertEqual(self.auto.state, "active")
