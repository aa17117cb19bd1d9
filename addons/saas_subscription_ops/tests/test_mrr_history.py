# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64
import csv
import io
import os
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..exceptions import HistoryError
from .common import SubscriptionCase

# A file of one's own: subscription_id, customer_id, start_date, end_date,
# monthly_amount. Without it a file of the same shape is made up.
FILE_VARIABLE = "SAAS_SUBSCRIPTION_PERIODS"
HEADER = ["subscription_id", "customer_id", "start_date", "end_date", "monthly_amount"]


def month_after(day, months=1):
    """Return the first day of a later month."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def make_up_file(seed=2026, customers=53, months=25):
    """Return CSV text of customers that come, change, pause, return and leave."""
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    first, rows = date(2018, 1, 1), []
    for customer in range(1, customers + 1):
        month = dice.randrange(months - 1)
        while month < months - 1:
            end = min(month + dice.randint(1, 8), months)
            amount = dice.randrange(25, 200, 5)
            period = month_after(first, month), month_after(first, end)
            rows.append([len(rows) + 1, customer, *period, amount])
            if dice.random() < 0.25:
                break
            month = end + (dice.randint(1, 5) if dice.random() < 0.2 else 0)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([HEADER, *rows])
    return text.getvalue()


def read_periods(text):
    """Return (customer, start, end, amount) of a file, end exclusive."""
    return [
        (
            row["customer_id"],
            date.fromisoformat(row["start_date"]),
            date.fromisoformat(row["end_date"]),
            Decimal(row["monthly_amount"]),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def mrr_by_customer(periods, day):
    """Return what each customer pays per month on a day, by the file alone."""
    result = defaultdict(Decimal)
    for customer, start, end, amount in periods:
        if start <= day < end:
            result[customer] += amount
    return dict(result)


def movements(before, after, known):
    """Return how one month's revenue became the next one's.

    :param dict before: amount per customer at the end of a month
    :param dict after: the same a month later
    :param set known: customers that ever paid before
    """
    result = defaultdict(Decimal)
    for customer in before.keys() | after.keys():
        old, new = before.get(customer, Decimal(0)), after.get(customer, Decimal(0))
        if not old:
            kind = "reactivation" if customer in known else "new"
        elif not new:
            kind = "churn"
        else:
            kind = "expansion" if new > old else "contraction"
        result[kind] += new - old
    return {kind: amount for kind, amount in result.items() if amount}


@tagged("post_install", "-at_install")
class TestMrrHistory(SubscriptionCase):
    """Imported histories give, month by month, the MRR that their file implies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.default_code = "PLATFORM"
        cls.administrator = cls.new_role_user("administrator")
        path = os.environ.get(FILE_VARIABLE)
        cls.text = Path(path).read_text(encoding="utf-8") if path else make_up_file()
        cls.periods = read_periods(cls.text)
        cls.customers = cls.env["res.partner"].create(
            [
                {"name": f"History {customer}", "ref": customer, "is_company": True}
                for customer in sorted({period[0] for period in cls.periods})
            ]
        )

        cls.result = cls.import_csv(cls.text)
        cls.subscriptions = cls.env["saas.subscription"].browse(
            cls.result["subscription_ids"]
        )

    @classmethod
    def import_csv(cls, text, **options):
        model = cls.env["saas.subscription"].with_user(cls.administrator)
        options = {"source": "old", "product": "PLATFORM", **options}
        return model.import_history_csv(text, **options)

    def month_ends(self):
        """Return the last day of every month from the first start to the last end."""
        month = min(period[1] for period in self.periods)
        last = max(period[2] for period in self.periods)
        while month <= last:
            month = month_after(month)
            yield month - timedelta(days=1)

    def test_mrr_month_by_month(self):
        self.assertEqual(self.result["created"], len(self.periods))
        kpi = self.env.ref("saas_subscription_ops.saas_kpi_mrr")
        before, known, seen = {}, set(), set()
        for day in self.month_ends():
            wanted = mrr_by_customer(self.periods, day)
            (row,) = self.env["saas.subscription"]._saas_kpi_mrr(
                kpi, self.company, day.replace(day=1), day + timedelta(days=1)
            )
            self.assertEqual(Decimal(str(row["value"])), sum(wanted.values()), day)
            got = defaultdict(Decimal)
            for subscription in self.subscriptions:
                amount = Decimal(str(subscription._get_mrr_on(day)))
                got[subscription.partner_id.ref] += amount
            got = {customer: amount for customer, amount in got.items() if amount}
            self.assertEqual(got, wanted, day)
            steps = movements(before, got, known)
            self.assertEqual(steps, movements(before, wanted, known))
            total = sum(before.values()) + sum(steps.values())
            self.assertEqual(total, sum(wanted.values()))
            seen |= steps.keys()
            known |= got.keys()
            before = got
        self.assertEqual(
            seen, {"new", "expansion", "contraction", "churn", "reactivation"}
        )

    def test_states_and_counts(self):
        """Past ones are expired; the running ones of any month are the payers."""
        self.assertEqual(set(self.subscriptions.mapped("state")), {"expired"})
        self.assertEqual(set(self.subscriptions.mapped("mrr")), {0.0})
        for day in self.month_ends():
            running = self.subscriptions.filtered_domain(
                self.env["saas.subscription"]._get_running_domain(day)
            )
            payers = mrr_by_customer(self.periods, day)
            self.assertEqual(set(running.partner_id.mapped("ref")), payers.keys())
            self.assertEqual(len(running), len(payers))

    def test_nothing_is_billed_again(self):
        """All of it is in the ledger, without an invoice; a run finds nothing."""
        wanted = sum(
            amount * ((end.year - start.year) * 12 + end.month - start.month)
            for _customer, start, end, amount in self.periods
        )
        charges = self.subscriptions.charge_ids
        self.assertEqual(Decimal(str(round(sum(charges.mapped("amount")), 2))), wanted)
        self.assertFalse(charges.move_id or charges.run_id)
        self.assertEqual(
            {one["billed_in"] for one in charges.mapped("details")}, {"old"}
        )
        for subscription in self.subscriptions[:5]:
            self.assertEqual(subscription._get_unbooked_charges(date(2030, 1, 1)), [])

    def test_the_same_file_again_changes_nothing(self):
        counts = self.count_all()
        self.assertEqual(
            self.import_csv(self.text),
            {"subscription_ids": [], "created": 0, "known": len(self.periods)},
        )
        self.assertEqual(self.count_all(), counts)
        # one more row is all that is taken; another system may use the same numbers
        row = f"new,{self.customers[0].ref},2025-01-01,2025-02-01,5\n"
        again = self.import_csv(self.text.rstrip("\n") + "\n" + row)
        self.assertEqual((again["created"], again["known"]), (1, len(self.periods)))
        row = row.replace("new", "1")
        other = self.import_csv(",".join(HEADER) + "\n" + row, source="other")
        self.assertEqual((other["created"], other["known"]), (1, 0))

    def test_a_subscription_that_goes_on(self):
        """Billed elsewhere until a day; from there on our runs charge it."""
        (customer,) = self.customers[:1]
        rows = [
            {
                "reference": "A",
                "customer": customer.name,
                "product": self.platform.name,
                "start": "2025-01-01",
                "end": "2025-07-01",
                "monthly_amount": 100,
            },
            {
                "reference": "B",
                "customer": customer.name,
                "product": self.platform.name,
                "start": date(2025, 7, 1),
                "end": False,
                "monthly_amount": "120.50",
            },
        ]
        model = self.env["saas.subscription"].with_user(self.administrator)
        result = model.import_history(rows, "old", billed_until="2026-01-01")
        subscription = self.env["saas.subscription"].browse(result["subscription_ids"])
        self.assertEqual(len(subscription), 1)
        self.assertEqual((subscription.state, subscription.mrr), ("active", 120.5))
        self.assertFalse(subscription.date_end)
        self.assertEqual(len(subscription.charge_ids), 12)
        new = subscription._get_unbooked_charges(date(2026, 1, 2))
        self.assertEqual([charge.amount for charge in new], [Decimal("120.50")])
        external = self.env["saas.external.id"]._resolve(
            "old", "subscription_period", "B", self.company
        )
        self.assertEqual(external.subscription_id, subscription)
        self.assertEqual(external.partner_id, customer)

    def test_periods_longer_than_a_month(self):
        """A yearly plan: twelve monthly amounts are its price."""
        plan = self.create_plan(name="Yearly", recurrence_unit="year")
        self.create_product("Suite", 0.0, saas_plan_id=plan.id)
        text = (
            "reference;customer;product;start;end;mrr\n"
            f"S1;{self.customers[0].ref};Suite;2025-03-15;2026-03-15;10.25\n"
        )
        result = self.import_csv("\ufeff" + text, product=None)
        subscription = self.env["saas.subscription"].browse(result["subscription_ids"])
        self.assertEqual(subscription.line_ids.price_unit, 123.0)
        self.assertEqual(subscription._get_mrr_on(date(2025, 8, 1)), 10.25)
        self.assertEqual(subscription.charge_ids.mapped("amount"), [123.0])

    def test_by_hand(self):
        """The upload screen runs the same code, for administrators only."""
        row = f"hand,{self.customers[0].ref},2025-01-01,2025-02-01,5\n"
        values = {
            "file": base64.b64encode(f"{','.join(HEADER)}\n{row}".encode()),
            "source": "hand",
            "product_id": self.platform.id,
        }
        model = self.env["saas.subscription.import.wizard"]
        wizard = model.with_user(self.administrator).create(values)
        action = wizard.action_import()
        subscription = self.env["saas.subscription"].search(action["domain"])
        self.assertEqual(subscription.line_ids.price_unit, 5.0)
        with self.assertRaisesRegex(HistoryError, "imported before"):
            wizard.action_import()
        wizard.file = base64.b64encode("customer;Käufer".encode("latin-1"))
        with self.assertRaisesRegex(HistoryError, "UTF-8"):
            wizard.action_import()
        with self.assertRaises(AccessError):
            model.with_user(self.manager).create(values)

    def test_bad_rows_are_named_and_nothing_is_written(self):
        """Every unusable row with its number and what to do about it."""
        counts = self.count_all()
        good = self.customers[0].ref
        self.env["res.partner"].create([{"name": "Twin"}, {"name": "Twin"}])
        lines = [
            f"1,{good},2018-01-01,2018-02-01,50",
            f"2,{good},2018-02-01,2018-02-01,50",
            "3,nobody,2018-01-01,2018-02-01,50",
            f"4,{good},01.02.2018,2018-03-01,50",
            f"5,{good},,2018-03-01,50",
            f"6,{good},2018-01-01,2018-02-01,-1",
            f"7,{good},2018-01-01,2018-02-01,12x",
            f"8,{good},2018-01-01,2018-02-01,NaN",
            "9,Twin,2018-01-01,2018-02-01,50",
            f",{good},2018-01-01,2018-02-01,50",
            f"11,{good},2018-01-01,2018-02-01,50",
            f"11,{good},2018-02-01,2018-03-01,50",
        ]
        text = "\n".join([",".join(HEADER), *(f"bad{line}" for line in lines)])
        text = text.replace("bad,", ",")
        with self.assertRaises(HistoryError) as caught:
            self.import_csv(text)
        said = str(caught.exception).splitlines()
        self.assertEqual(len(said), 12)
        for line, number, words in zip(
            said,
            (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
            (
                "not after its start",
                "no known customer",
                "is no date",
                "no start",
                "no monthly amount",
                "no monthly amount",
                "no monthly amount",
                "several records",
                "no reference",
                "occurs 2 times",
                "occurs 2 times",
            ),
            strict=False,
        ):
            self.assertTrue(line.startswith(f"Row {number}: "), line)
            self.assertIn(words, line)
        self.assertEqual(said[-1], "Nothing was imported.")
        with self.assertRaisesRegex(HistoryError, "no known product"):
            self.import_csv(f"{','.join(HEADER)}\nbad{lines[0]}", product="Nothing")
        with self.assertRaisesRegex(HistoryError, "no column customer, start"):
            self.import_csv("reference,end,mrr\n1,2,3\n")
        with self.assertRaisesRegex(HistoryError, "no column"):
            self.import_csv("")
        self.assertEqual(self.count_all(), counts)

    def count_all(self):
        """Count what an import writes."""
        models = ("saas.subscription", "saas.charge", "saas.external.id")
        return [self.env[model].search_count([]) for model in models]

    def test_many_bad_rows_are_summed_up(self):
        rows = [{"reference": str(number)} for number in range(30)]
        model = self.env["saas.subscription"].with_user(self.administrator)
        with self.assertRaises(HistoryError) as caught:
            model.import_history(rows)
        said = str(caught.exception).splitlines()
        self.assertEqual(len(said), 22)
        self.assertIn("10 more rows", said[-2])

    def test_only_administrators_import(self):
        for user in (self.manager, self.operator, self.approver, self.auditor):
            model = self.env["saas.subscription"].with_user(user)
            with self.assertRaises(AccessError):
                model.import_history([], "old")
            with self.assertRaises(AccessError):
                model.import_history_csv(self.text, "old", product="PLATFORM")
