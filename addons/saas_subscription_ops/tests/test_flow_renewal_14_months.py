# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import Counter
from datetime import date, timedelta
from random import Random

from odoo import Command, fields
from odoo.tests import tagged

from .common_renewal import RenewalCase

START, END = date(2026, 3, 1), date(2027, 5, 1)
OUTAGE = (date(2026, 11, 24), date(2026, 12, 2))
COUNT = 200
TERMS = (12, 3, 24, 12, 6, 0, 12, 1, 12, 24, 12, 3, 12, 6, 12, 0, 24, 12, 3, 12)
ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "UTC", "Pacific/Auckland")


@tagged("post_install", "-at_install")
class TestFourteenMonths(RenewalCase):
    """Two hundred contracts, fourteen months, nothing but the daily jobs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = Random(7)
        cls.plans = {
            (months, auto): cls.create_plan(
                name=f"{months} months {auto}",
                term_months=months,
                auto_renew=auto,
                notice_days=10 if months < 3 else 30,
                trial_days=0,
            )
            for months in (0, 1, 3, 6, 12, 24)
            for auto in (True, False)
        }
        # Nobody sells a month anew: short terms only get a to-do or a reminder.
        template = cls.env.ref(
            "saas_subscription_ops.mail_template_saas_renewal_reminder"
        )
        for (months, auto), plan in cls.plans.items():
            if months in (1, 3) or (months, auto) == (12, True):
                plan.renewal_step_ids = [
                    Command.create({"days_before": 7, "action": "activity"})
                ]
            elif months == 6:
                plan.renewal_step_ids = [
                    Command.create(
                        {
                            "days_before": 20,
                            "action": "remind",
                            "mail_template_id": template.id,
                        }
                    )
                ]
        cls.trial_plan = cls.create_plan(name="Trial first", trial_days=14)

    def make(self):
        """Create the contracts at once; the manager does some things beforehand."""
        vals_list, kinds = [], []
        for index in range(COUNT):
            months = TERMS[index % len(TERMS)]
            auto = index % 3 != 0 or months == 0
            plan = self.plans[months, auto]
            kind = "plain"
            if index % 17 == 5 and months:
                plan, kind = self.trial_plan, "trial"
                months, auto = 12, True
            start = START - timedelta(days=self.random.randrange(0, 28 * (months or 6)))
            if kind == "trial":
                start = START
            end = self.add(start, months) if months else False
            while end and end <= START:
                end = self.add(end, months)
            vals_list.append(
                {
                    "partner_id": self.partner.id,
                    "plan_id": plan.id,
                    "user_id": self.salesperson.id if index % 2 else False,
                    "date_start": start,
                    "trial_end": start + timedelta(days=14)
                    if kind == "trial"
                    else False,
                    "term_end": end,
                    "date_end": False if auto else end,
                    "tz": ZONES[index % 5],
                    "line_ids": [
                        Command.create(
                            {
                                "product_id": self.platform.id,
                                "price_unit": 100.0 + index,
                            }
                        )
                    ],
                }
            )
            kinds.append(kind)
        subscriptions = self.env["saas.subscription"].create(vals_list)
        subscriptions.action_activate()
        return subscriptions, kinds

    def add(self, day, months):
        return fields.Date.add(day, months=months)

    def amend(self, subscriptions):
        """Cancel, pause and co-term some of them before the jobs begin."""
        yearly = subscriptions.filtered(
            lambda s: (
                s.plan_id.term_months == 12
                and s.state == "active"
                and not s.date_end
                and s.term_end > START + timedelta(days=60)
            )
        )
        self.assertGreaterEqual(len(yearly), 15)
        cancelled = yearly[:6]
        for subscription in cancelled:
            subscription.cancel()
        paused = yearly[6:12]
        for subscription in paused:
            subscription.pause(
                date_effective=START + timedelta(days=20),
                date_resume=START + timedelta(days=50),
                pause_mode="extend" if subscription.id % 2 else "credit",
            )
        cotermed = yearly[12:15]
        for subscription in cotermed:
            subscription.renew(date_term_end=date(2028, 6, 1))
        return cancelled, paused, cotermed

    def get_days(self, subscriptions):
        """Return the days on which anything can be due, and some others."""
        steps = self.env["saas.renewal.step"].search([("plan_id", "=", False)])
        ahead = set(steps.mapped("days_before")) | {0, 10, 9, 29}
        days = {START}
        for subscription in subscriptions.filtered("term_end"):
            if subscription.plan_id.term_months < 12:
                continue
            for before in ahead:
                days.add(subscription.term_end - timedelta(days=before))
        # Short terms are caught up with: the jobs need not run every day.
        picked = sorted(day for day in days if START <= day < END)
        picked = self.random.sample(picked, min(10, len(picked)))
        picked += [START + timedelta(days=28 * n) for n in range(16)]
        return sorted(
            {day for day in picked if not OUTAGE[0] <= day < OUTAGE[1]} | {START, END}
        )

    def test_every_term_is_decided_once(self):
        subscriptions, _kinds = self.make()
        cancelled, paused, cotermed = self.amend(subscriptions)
        days = self.get_days(subscriptions)
        mails = self.env["mail.mail"].search_count([])
        for number, day in enumerate(days):
            self.run_day(day)
            if number % 8 == 0:
                before = self.count()
                self.run_day(day)
                self.assertEqual(self.count(), before, f"twice on {day}")
        self.check_terms(subscriptions, END)
        self.check_singles(subscriptions, mails)
        # What was agreed beforehand came true.
        self.assertEqual(set(cancelled.renewal_ids.mapped("outcome")), {"cancelled"})
        self.assertEqual(set(cancelled.mapped("state")), {"cancelled"})
        self.assertEqual(set(cotermed.mapped("term_end")), {date(2028, 6, 1)})
        self.assertTrue(paused.renewal_ids)
        self.assertNotIn("paused", paused.mapped("state"))

    def count(self):
        """Count all that could be made twice."""
        return {
            name: self.env[name].sudo().with_context(active_test=False).search_count([])
            for name in (
                "saas.renewal",
                "saas.renewal.step.log",
                "crm.lead",
                "sale.order",
                "mail.activity",
                "mail.mail",
                "saas.amendment",
                "saas.event",
                "saas.exception",
            )
        }

    def check_terms(self, subscriptions, day):
        """Every term that is over has one record that says what became of it."""
        for subscription in subscriptions:
            renewals = subscription.renewal_ids.filtered(lambda r: r.outcome != "moved")
            if not subscription.initial_term_end:
                self.assertFalse(subscription.renewal_ids)
                continue
            facts = {fact.end: fact.outcome for fact in subscription._get_term_ends()}
            over = {end for end in facts if end <= day}
            known = dict(renewals.mapped(lambda r: (r.term_end, r.outcome)))
            self.assertLessEqual(over, set(known), subscription.name)
            self.assertEqual(known, {end: facts[end] for end in known})
            decided = {end for end, outcome in known.items() if outcome != "open"}
            self.assertLessEqual(over, decided, "nobody decided")
            for renewal in renewals.filtered(lambda r: r.outcome in ("renewed",)):
                self.assertEqual(renewal.amount_pure, renewal.amount_available)
            if subscription.state in ("expired", "cancelled"):
                last = renewals.sorted("term_end")[-1]
                self.assertEqual(last.outcome, subscription.state)
                self.assertEqual(last.amount_lost, last.amount_available)

    def check_singles(self, subscriptions, mails):
        """Nothing was made twice."""
        renewals = subscriptions.renewal_ids
        logs = Counter((log.renewal_id, log.step_id) for log in renewals.step_log_ids)
        self.assertEqual(set(logs.values()), {1})
        self.assertNotIn("failed", renewals.step_log_ids.mapped("result"))
        leads = self.env["crm.lead"].with_context(active_test=False)
        leads = leads.search([("saas_lead_kind", "=", "renewal")])
        self.assertEqual(set(Counter(renewals.lead_id.ids).values()), {1})
        self.assertEqual(leads, renewals.lead_id)
        for name in ("opened", "decided", "notice_passed"):
            rows = self.events(renewals, f"renewal.{name}").mapped("res_id")
            self.assertEqual(max(Counter(rows).values()), 1, name)
        decided = renewals.filtered(lambda r: r.outcome not in ("open", "moved"))
        rows = self.events(renewals, "renewal.decided").mapped("res_id")
        self.assertEqual(set(rows), set(decided.ids))
        sent = sum(
            log.step_id.action == "remind" and log.result == "done"
            for log in renewals.step_log_ids
        )
        self.assertEqual(self.env["mail.mail"].search_count([]) - mails, sent)
        quotes = self.env["sale.order"].search(
            [("saas_amended_subscription_id", "in", subscriptions.ids)]
        )
        per_term = Counter(
            (order.saas_amended_subscription_id, order.saas_start_date)
            for order in quotes
        )
        self.assertEqual(set(per_term.values()), {1})
        self.assertFalse(self.exceptions("renewal.step_failed"))
        self.assertFalse(self.exceptions("renewal.settle_failed"))
