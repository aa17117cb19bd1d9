# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A ledger in memory and an amendment book, as the billing code keeps them."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from . import strategies as draw

proposal, ledger_engine = draw.ops.proposal, draw.ops.ledger
timeline = draw.ops.timeline


def book(ledger, charges):
    """Write charges to a ledger, as the billing code does."""
    for charge in charges:
        kind = charge.details.get("adjusts", charge.kind)
        ledger.append(
            ledger_engine.BookedCharge(
                charge.ref,
                charge.amount,
                charge.quantity,
                charge.revision,
                charge.service_start,
                charge.service_end,
                kind,
                charge.line_id,
                charge.timing,
            )
        )
    keys = [(row.ref, row.revision) for row in ledger]
    assert len(keys) == len(set(keys)), "the database would refuse this"


def bill(ledger, plan, lines, cutoff, coupons=()):
    """Run the billing once and return what was booked."""
    charges = ledger_engine.difference(
        proposal.propose(plan, lines, cutoff, coupons), ledger, cutoff, plan.grace_days
    )
    book(ledger, charges)
    return charges


def by_ref(ledger):
    """Return the amount per ref, without the refs that stand at zero."""
    totals = defaultdict(Decimal)
    for row in ledger:
        totals[row.ref] += row.amount
    return {ref: amount for ref, amount in totals.items() if amount}


def by_line_period(ledger):
    """Return the amount per line and plan period, coupons included."""
    totals = defaultdict(Decimal)
    for row in ledger:
        kind, *words = row.ref.split(":")
        totals[tuple(words[1:] if kind == "coupon" else words)] += row.amount
    return dict(totals)


def total(rows):
    """Return the sum of the amounts."""
    return sum((row.amount for row in rows), Decimal(0))


@dataclass
class Book:
    """A subscription whose amendments become known one after the other.

    After every entry the terms are folded anew; a line keeps its id as long as its
    chain, start and terms are the same, as the records of Odoo do.
    """

    plan: Any
    bases: list = field(default_factory=list)
    timing: str = "advance"
    coupons: tuple = ()
    changes: list = field(default_factory=list)
    ledger: list = field(default_factory=list)
    ids: dict = field(default_factory=dict)
    billed_until: date | None = None

    def lines(self):
        """Return the terms of every line this subscription ever had."""
        wanted = {}
        for root, segments in timeline.fold(self.bases, self.changes).items():
            for part in segments:
                key = root, part.date_start, tuple(sorted(part.values.items()))
                line_id = self.ids.setdefault(key, f"{root}.{len(self.ids)}")
                wanted[line_id] = proposal.LineTerms(
                    line_id,
                    part.values["quantity"],
                    part.values["price"],
                    part.date_start,
                    part.date_end,
                    timing=self.timing,
                    keep_last_period=part.keep_last_period,
                )
        return list(wanted.values())

    def enter(self, entry):
        """Take one change or pause into the terms."""
        if isinstance(entry, draw.ops.service.Pause):
            pauses = (*self.plan.pauses, entry)
            self.plan = replace(self.plan, pauses=pauses)
        else:
            self.changes.append(entry)

    def bill(self, cutoff):
        """Book what is due; a second time there is nothing."""
        booked = bill(self.ledger, self.plan, self.lines(), cutoff, self.coupons)
        again = bill(self.ledger, self.plan, self.lines(), cutoff, self.coupons)
        assert again == []
        return booked

    def proposed(self, cutoff):
        """Return what one complete proposal of the present terms gives, per ref."""
        charges = proposal.propose(self.plan, self.lines(), cutoff, self.coupons)
        return by_ref(charges)

    def chains(self):
        """Return the booked amount per chain."""
        totals = defaultdict(Decimal)
        for row in self.ledger:
            totals[row.line_id.partition(".")[0]] += row.amount
        return dict(totals)
