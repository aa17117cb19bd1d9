# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from odoo import models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from ..engine.variance import check_credit, check_first, check_median, check_zero
from ..exceptions import BillingError
from .saas_subscription_billing import to_decimal

_logger = logging.getLogger(__name__)

HISTORY = 6
PEERS = 50


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a line is compared with, read once for a whole batch.

    :param history: amounts of the subscription's earlier runs, oldest first
    :param booked: total of its ledger
    :param peers: latest amounts of other subscriptions of the plan, same currency
    :param extra: what checks of other addons compare with, by a name of theirs
    """

    history: tuple[Decimal, ...] = ()
    booked: Decimal = Decimal(0)
    peers: tuple[Decimal, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


class SaasBillingRunLine(models.Model):
    """Checks that hold a line for a person."""

    _inherit = "saas.billing.run.line"

    def _run_checks(self):
        """Hold every ready line that one of the checks fires on."""
        facts = self._get_facts()
        for line in self.filtered(lambda line: line.state == "ok"):
            try:
                with self.env.cr.savepoint(flush=False):
                    findings = line._get_findings(facts.get(line, LineFacts()))
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except Exception as error:  # noqa: BLE001 - a person has to look at it
                # A check that breaks must not let its line pass, nor stop the others.
                _logger.info("%s: %s", line.display_name, error, exc_info=True)
                findings = [self.env._("A check failed: %(error)s", error=error)]
            if findings:
                line._set_line_state("held", check_results="\n".join(findings))

    # ------------------------------------------------------------------
    # Facts
    # ------------------------------------------------------------------
    def _get_facts(self) -> dict:
        """Return what each line is compared with, three queries for all of them."""
        history = self._get_history()
        booked = self._get_booked_totals()
        peers = self._get_peers()
        result = {}
        for line in self:
            decimals = line.currency_id.decimal_places
            near = peers.get((line.plan_id.id, line.currency_id.id), ())
            result[line] = LineFacts(
                history=tuple(
                    to_decimal(amount, decimals)
                    for amount in history.get(line.subscription_id.id, ())
                ),
                booked=to_decimal(booked.get(line.subscription_id.id, 0.0), decimals),
                peers=tuple(
                    to_decimal(amount, decimals)
                    for owner, amount in near
                    if owner != line.subscription_id.id
                ),
            )
        return result

    def _get_history(self) -> dict:
        """Return the amounts of earlier runs per subscription id, oldest first."""
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT line.subscription_id, line.amount
                  FROM saas_billing_run_line line
                 WHERE line.subscription_id = ANY(%(ids)s) AND line.state = 'posted'
                   AND %(comparable)s
                 ORDER BY line.run_id, line.id
                """,
                ids=self.subscription_id.ids,
                comparable=self._get_comparable(),
            )
        )
        history = defaultdict(list)
        for owner, amount in rows:
            history[owner].append(float(amount or 0))
        return {key: amounts[-HISTORY:] for key, amounts in history.items()}

    def _get_comparable(self) -> SQL:
        """Hook: return the condition for a posted ``line`` to say what is usual."""
        return SQL("TRUE")

    def _get_booked_totals(self) -> dict:
        """Return the total of the ledger per subscription id."""
        groups = (
            self.env["saas.charge"]
            # sudo: checks see the whole ledger, whoever computes
            .sudo()
            ._read_group(
                [("subscription_id", "in", self.subscription_id.ids)],
                ["subscription_id"],
                ["amount:sum"],
            )
        )
        return {subscription.id: amount for subscription, amount in groups}

    def _get_peers(self) -> dict:
        """Return (subscription id, amount) of the latest posted lines.

        :return: dict of (plan id, currency id) to a list, newest first
        """
        if not self:
            return {}
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT plan.id, peer.currency_id, peer.owner, peer.amount
                  FROM unnest(%(plans)s) AS plan(id)
            CROSS JOIN LATERAL (
                       SELECT sub.currency_id, sub.id AS owner, line.amount
                         FROM saas_billing_run_line line
                         JOIN saas_subscription sub ON sub.id = line.subscription_id
                        WHERE line.plan_id = plan.id AND line.state = 'posted'
                          AND line.company_id = ANY(%(companies)s)
                          AND %(comparable)s
                        ORDER BY line.id DESC LIMIT %(limit)s) AS peer
                """,
                plans=self.plan_id.ids,
                companies=self.company_id.ids,
                comparable=self._get_comparable(),
                limit=PEERS,
            )
        )
        peers = defaultdict(list)
        for plan, currency, owner, amount in rows:
            peers[plan, currency].append((owner, float(amount or 0)))
        return peers

    # ------------------------------------------------------------------
    # Findings
    # ------------------------------------------------------------------
    def _get_findings(self, facts: LineFacts) -> list[str]:
        """Return, in words, why a person should look at the line.

        Extend it to add a check: call ``super()`` and append a sentence.

        :param LineFacts facts: earlier amounts of the subscription and its plan
        :return: one sentence per finding
        """
        self.ensure_one()
        decimals = self.currency_id.decimal_places
        amounts = [to_decimal(charge.amount, decimals) for charge in self.charge_ids]
        amount = sum(amounts, Decimal(0))
        credits = [
            to_decimal(charge.amount, decimals)
            for charge in self.charge_ids
            if not self.subscription_id._is_agreed_credit(charge)
        ]
        run = self.run_id
        findings = [
            check_median(amount, facts.history, to_decimal(run.variance_tolerance)),
            check_zero(self._get_asked_amounts()),
            check_credit(credits, facts.booked, to_decimal(run.credit_tolerance)),
        ]
        if not facts.history:
            tolerance = to_decimal(run.first_tolerance)
            findings.append(check_first(amount, facts.peers, tolerance))
        texts = [self._get_finding_text(finding) for finding in findings if finding]
        return texts + self._get_set_up_findings() + self._get_customer_findings()

    def _get_asked_amounts(self) -> list[Decimal]:
        """Return the amounts of the charges, whatever was paid for them before."""
        decimals = self.currency_id.decimal_places
        return [
            to_decimal(charge.amount, decimals)
            for charge in self.charge_ids
            if not self.subscription_id._is_prepaid(charge)
        ]

    def _get_finding_text(self, finding) -> str:
        subscription = self.subscription_id
        values = {
            "amount": subscription._format_money(finding.amount),
            "reference": subscription._format_money(finding.reference),
        }
        if finding.code == "variance_median":
            return self.env._(
                "%(amount)s is far from the usual %(reference)s.", **values
            )
        if finding.code == "zero_invoice":
            return self.env._("The invoice would ask for nothing.")
        if finding.code == "first_high":
            return self.env._(
                "The first invoice asks for %(amount)s; others of this plan were "
                "invoiced %(reference)s.",
                **values,
            )
        return self.env._(
            "Credits of %(amount)s against %(reference)s booked before.", **values
        )

    def _get_set_up_findings(self) -> list[str]:
        """Return what is missing in the set-up to invoice the line."""
        findings = []
        for product in self.charge_ids.product_id:
            findings += self._get_product_findings(product)
        if any(not charge.product_id for charge in self.charge_ids):
            findings.append(
                self.env._("A charge has no product: set one on the subscription line.")
            )
        if not self._has_rate():
            findings.append(self._get_rate_text())
        return findings

    def _get_product_findings(self, product) -> list[str]:
        """Return what a product lacks: income account, and sales tax if expected.

        :param product: ``product.product``
        """
        findings = []
        product = product.with_company(self.company_id)
        if not product._get_product_accounts().get("income"):
            findings.append(
                self.env._(
                    "%(product)s has no income account: set one on the product "
                    "or its category.",
                    product=product.display_name,
                )
            )
        taxes = product.taxes_id.filtered_domain(
            self.env["account.tax"]._check_company_domain(self.company_id)
        )
        if self.run_id.expect_tax and not taxes:
            findings.append(
                self.env._(
                    "%(product)s has no sales tax: set one on the product, also when "
                    "it is zero.",
                    product=product.display_name,
                )
            )
        return findings

    def _get_rate_text(self) -> str:
        return self.env._(
            "There is no exchange rate for %(currency)s on %(date)s: enter one.",
            currency=self.currency_id.name,
            date=self.run_id.date_invoice,
        )

    def _check_rate(self):
        """Refuse to invoice without a rate: Odoo would book one to one.

        :raise BillingError: there is none on the invoice date
        """
        if not self._has_rate():
            raise BillingError(self._get_rate_text())

    def _has_rate(self) -> bool:
        if self.currency_id == self.company_id.currency_id:
            return True
        return bool(
            self.env["res.currency.rate"].search_count(
                [
                    ("currency_id", "=", self.currency_id.id),
                    ("company_id", "in", (False, self.company_id.root_id.id)),
                    ("name", "<=", self.run_id.date_invoice),
                ],
                limit=1,
            )
        )

    def _get_customer_findings(self) -> list[str]:
        """Return what is wrong with the customer's records."""
        subscription = self.subscription_id
        bill_to = subscription.bill_to_id
        run = self.run_id
        findings = []
        for partner in self.partner_id | subscription.partner_id | bill_to:
            if not partner.active:
                findings.append(
                    self.env._(
                        "%(partner)s is archived: choose another bill-to address, or "
                        "restore it.",
                        partner=partner.display_name,
                    )
                )
        address = bill_to or self.partner_id
        country = address.country_id or address.commercial_partner_id.country_id
        if (run.expect_tax or run.send_invoices) and not country:
            findings.append(
                self.env._(
                    "%(partner)s has no country: the tax depends on it.",
                    partner=address.display_name,
                )
            )
        if run.send_invoices and not address.email:
            findings.append(
                self.env._(
                    "%(partner)s has no e-mail address to send the invoice to.",
                    partner=address.display_name,
                )
            )
        return findings
