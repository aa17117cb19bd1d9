# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a renewal quotation says beyond others, and its way to renewal and lead."""

from odoo import fields, models
from odoo.tools.misc import format_date

from .sale_order_steps import months_between


class SaleOrder(models.Model):
    _inherit = "sale.order"

    saas_date_term_end = fields.Date(
        string="New Term Until",
        copy=False,
        help="First day after the new term. Empty: as many months as its term has.",
    )
    saas_quoted_term_end = fields.Date(
        string="Term End When Quoted",
        readonly=True,
        copy=False,
        help="A pause may move the end of the term: then it has to be quoted anew.",
    )
    saas_renewal_ids = fields.One2many(
        "saas.renewal", "order_id", string="Renewals", readonly=True
    )

    # ------------------------------------------------------------------
    # Problems
    # ------------------------------------------------------------------
    def _saas_get_effect_problems(self, subscription) -> list[str]:
        problems = super()._saas_get_effect_problems(subscription)
        if problems or self.saas_order_kind != "renewal":
            return problems
        problem = subscription._get_renewable_problem()
        if problem:
            return [problem]
        quoted = self.saas_quoted_term_end
        if quoted and quoted != subscription.term_end:
            return [
                self.env._(
                    "The term of %(subscription)s ends on %(end)s, not on %(quoted)s "
                    "as it did when this was quoted: make a new quotation.",
                    subscription=subscription.name,
                    end=format_date(self.env, subscription.term_end),
                    quoted=format_date(self.env, quoted),
                )
            ]
        problem = subscription._get_quoted_term_problem(
            self._saas_get_effective_date(), self.saas_date_term_end
        )
        return [problem] if problem else []

    # ------------------------------------------------------------------
    # Value and amendment
    # ------------------------------------------------------------------
    def _saas_get_value_months(self):
        until, start = self.saas_date_term_end, self.saas_start_date
        if self.saas_order_kind == "renewal" and until and start and start < until:
            return months_between(start, until), "term"
        return super()._saas_get_value_months()

    def _saas_get_renewal_options(self) -> dict:
        """Return what the amendment of a renewal says besides its lines."""
        options = {"term_months": self.saas_term_months}
        if self.saas_date_term_end:
            options["date_term_end"] = self.saas_date_term_end
        return options

    # ------------------------------------------------------------------
    # Calls
    # ------------------------------------------------------------------
    def saas_link_renewal(self) -> bool:
        """Link renewal quotations to their renewal and its opportunity, once.

        :return: True
        """
        self.check_access("write")
        for order in self:
            if order.saas_order_kind == "renewal":
                self.env["saas.renewal"]._link_order(order)
        return True

    def _saas_send_quote(self, template):
        """Send a quotation with a template, after the same checks as by hand.

        :param template: ``mail.template`` of ``sale.order``
        :raise QuoteError: the quotation can't become a valid subscription
        """
        self.ensure_one()
        self._saas_check_quote()
        template.send_mail(self.id, force_send=False)
        self.with_context(mark_so_as_sent=True).action_quotation_sent()
