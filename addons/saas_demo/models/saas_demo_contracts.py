# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Contracts of earlier years, whose terms end around today, and what became of them."""

from dataclasses import dataclass
from datetime import timedelta

from odoo import api, fields, models

#: Name of the system the contracts come from.
FORMER_SYSTEM = "former-billing"
TERM_MONTHS = 12
#: Days before today on which the daily job had its turn: forecasts of some months.
LOOKS = (70, 15)


@dataclass(frozen=True)
class Contract:
    """A contract of a former customer.

    :ivar str account: internal reference of the customer
    :ivar str product: internal reference; PLAN-FIXED ends unless it is renewed
    :ivar int monthly: price per month in company currency
    :ivar int ends_in: days from today to the end of the running term
    """

    account: str
    product: str
    monthly: int
    ends_in: int


CONTRACTS = (
    Contract("N01", "PLAN-BUSINESS", 900, 35),
    Contract("N02", "PLAN-BUSINESS", 1200, 50),
    Contract("N03", "PLAN-BUSINESS", 450, 75),
    Contract("N04", "PLAN-FIXED", 700, 80),
    Contract("N05", "PLAN-FIXED", 1500, 40),
    Contract("N06", "PLAN-FIXED", 600, 58),
    Contract("N07", "PLAN-FIXED", 350, 95),
    Contract("N08", "PLAN-FIXED", 800, 20),
    Contract("N09", "PLAN-FIXED", 300, -12),
    Contract("N10", "PLAN-BUSINESS", 1000, -20),
)
DOUBTED, LOST, SIGNED = "N06", "N07", "N08"


class SaasDemo(models.AbstractModel):
    _inherit = "saas.demo"

    @api.model
    def _prepare_contracts(self) -> None:
        """Bring in the contracts of the former system and live through their renewals.

        Once: a second call finds them and does nothing. Everything after the import
        is done by the steps people and the daily jobs take.
        """
        today = fields.Date.context_today(self)
        contracts = self._import_contracts(today)
        if not contracts:
            return
        for days in LOOKS:
            self._run_daily_jobs(today - timedelta(days=days))
        self._decide_renewals(contracts)
        self._run_daily_jobs(today)

    def _run_daily_jobs(self, day) -> None:
        """Bring contracts and renewals to a day, as the scheduler does."""
        self.env["saas.subscription"].sudo()._process_lifecycle(day)
        self.env["saas.renewal"].sudo()._process_renewals(day)

    def _import_contracts(self, today) -> dict:
        """Import the contracts and agree their terms.

        :return: ``{reference of the account: saas.subscription}``; empty when they
            are there already
        """
        ends = {one.account: today + timedelta(days=one.ends_in) for one in CONTRACTS}
        subscriptions = self._as("administrator")["saas.subscription"]
        result = subscriptions.import_history(
            [
                {
                    "reference": f"{FORMER_SYSTEM}-{one.account}",
                    "customer": one.account,
                    "product": one.product,
                    "start": fields.Date.subtract(
                        ends[one.account], months=TERM_MONTHS
                    ),
                    "monthly_amount": one.monthly,
                }
                for one in CONTRACTS
            ],
            source=FORMER_SYSTEM,
        )
        if not result["created"]:
            return {}
        found = {
            one.partner_id.ref: one
            for one in subscriptions.browse(result["subscription_ids"])
        }
        for account, subscription in found.items():
            end = ends[account]
            vals = {"user_id": self.env.ref("saas_demo.user_sales").id, "term_end": end}
            if not subscription.plan_id.auto_renew:
                vals["date_end"] = end
            subscription.write(vals)
        return found

    def _decide_renewals(self, contracts: dict) -> None:
        """Take the steps of sales and Customer Success.

        :param dict contracts: ``saas.subscription`` by reference of the account
        """
        # The contracts as sales sees them, not as whoever imported them.
        renewals = {
            account: contract.renewal_ids.with_env(self._as("sales"))
            for account, contract in contracts.items()
        }
        for account in (DOUBTED, SIGNED):
            renewals[account].action_make_quote()
            renewals[account].order_id.action_quotation_sent()
        signed = renewals[SIGNED].order_id
        signed.action_confirm()
        self._run_rule("base_automation_sale_order_start_workflow", signed)
        lead = renewals[LOST].lead_id
        reason = self.env.ref("crm.lost_reason_1")
        lead.action_set_lost(lost_reason_id=reason.id)
        self._run_rule("base_automation_crm_lead_renewal_given_up", lead)
        doubted = renewals[DOUBTED].with_env(self._as("csm"))
        doubted.category = "at_risk"
        doubted.message_post(
            body=self.env._("They compare us with two others until their board meets.")
        )

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _as(self, role: str):
        """Return the environment of one of the demo people.

        :param str role: what follows ``user_`` in the XML id
        """
        user = self.env.ref(f"saas_demo.user_{role}")
        return self.with_user(user).with_company(user.company_id).env

    def _run_rule(self, name: str, records) -> None:
        """Run the actions of a shipped automation rule.

        Rules listen when the registry is complete, which it is not while a module is
        being installed. Their actions may run again, should they have run by then.

        :param str name: XML id of the rule
        :param records: what it is about
        """
        rule = self.env.ref(f"saas_subscription_ops.{name}")
        for action in rule.action_server_ids.sorted("sequence"):
            action.with_context(
                active_model=records._name,
                active_ids=records.ids,
                active_id=records[:1].id,
            ).run()
