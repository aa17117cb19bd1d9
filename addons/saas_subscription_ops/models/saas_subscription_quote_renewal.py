# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Renewal quotations: same terms, raised or listed prices, early, until a day."""

from datetime import date

from odoo import fields, models
from odoo.tools.misc import format_date

from ..exceptions import QuoteError


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def action_quote_renewal(
        self,
        term_months: int | None = None,
        uplift: float | None = None,
        pricelist_id: int | None = None,
        date_effective: date | str | None = None,
        date_term_end: date | str | None = None,
    ) -> dict:
        """Make a quotation for the next term, or open the one that is there already.

        Another one is made only when something is asked of it.

        :param int term_months: length of the new term; default as the plan says
        :param float uplift: percent on every recurring price, negative for a
            reduction; default as the plan says
        :param int pricelist_id: price list the prices are taken from
        :param date_effective: first day of the next term, for an early renewal
        :param date_term_end: first day after the next term, instead of its length
        :return: window action of the quotation
        :raise QuoteError: no term to renew, or not on these terms, and why
        """
        self.ensure_one()
        wanted = (term_months, uplift, pricelist_id, date_effective, date_term_end)
        quote = self.env["sale.order"]
        if all(value is None for value in wanted):
            quote = self._get_open_renewal_quotes()[:1]
        if not quote:
            quote = self._create_renewal_quote(
                term_months=term_months,
                uplift=uplift,
                pricelist=self.env["product.pricelist"].browse(pricelist_id or []),
                date_effective=date_effective,
                date_term_end=date_term_end,
            )
        return quote._saas_get_form_action()

    def _get_open_renewal_quotes(self):
        """Return the renewal quotations of this term that are not decided.

        :return: ``sale.order``, the latest first
        """
        self.ensure_one()
        terms = self._get_terms()
        return self.env["sale.order"].search(
            [
                ("saas_amended_subscription_id", "=", self.id),
                ("saas_order_kind", "=", "renewal"),
                ("state", "in", ("draft", "sent")),
                ("saas_quoted_term_end", "in", (False, self.term_end)),
                ("saas_start_date", "<=", self.term_end),
                ("saas_start_date", ">", terms[-1].start if terms else False),
            ],
            order="id desc",
        )

    def _create_renewal_quote(
        self,
        term_months=None,
        uplift=None,
        pricelist=None,
        date_effective=None,
        date_term_end=None,
        owner=None,
    ):
        """Create the quotation for the next term; see ``action_quote_renewal``.

        :param pricelist: ``product.pricelist``
        :param owner: ``res.users`` it belongs to; default the salesperson
        :return: ``sale.order``
        :raise QuoteError: no term to renew, or not on these terms, and why
        """
        self.ensure_one()
        uplift = self.plan_id.renewal_uplift if uplift is None else uplift
        start = fields.Date.to_date(date_effective) or self.term_end
        until = fields.Date.to_date(date_term_end) or False
        problem = self._get_requote_problem(start, until, uplift, pricelist)
        if problem:
            raise QuoteError(problem)
        months = term_months or self.plan_id.term_months or 12
        vals = {"saas_date_term_end": until, "saas_quoted_term_end": self.term_end}
        last_day = fields.Date.subtract(start, days=1)
        if last_day > fields.Date.context_today(self):
            # It can be signed as long as the term it renews is running.
            vals["validity_date"] = last_day
        if owner:
            vals["user_id"] = owner.id
        order = self._create_quote(
            "renewal", start, months, uplift, pricelist=pricelist, **vals
        )
        self.env["saas.renewal"]._link_order(order)
        return order

    def _get_requote_problem(self, start, until, uplift: float, pricelist) -> str:
        """Return why the next term can't be quoted like this, or an empty text."""
        self._check_quotable()
        problem = self._get_renewable_problem()
        if problem:
            return problem
        if uplift < -100:
            return self.env._("A price can't fall by more than 100 percent.")
        if pricelist and pricelist.currency_id != self.currency_id:
            return self.env._(
                "%(name)s is charged in %(currency)s: choose a price list in "
                "%(currency)s.",
                name=self.name,
                currency=self.currency_id.name,
            )
        return self._get_quoted_term_problem(start, until)

    def _get_whole_period_problem(self, day: date) -> str:
        """Return why a term can't end on a day within a billing period, if so.

        :param date day: first day after the term
        """
        self.ensure_one()
        plan = self.plan_id
        if plan.alignment == "anniversary" and plan.proration_policy != "none":
            # The last period is charged by its days.
            return ""
        boundary = self._get_next_boundary(fields.Date.subtract(day, days=1))
        if boundary == day:
            return ""
        return self.env._(
            "%(name)s is billed in whole periods of its calendar, the next one "
            "begins on %(boundary)s: choose that day as the end of the new term.",
            name=self.name,
            boundary=format_date(self.env, boundary),
        )

    # ------------------------------------------------------------------
    # Several that are to end together
    # ------------------------------------------------------------------
    def _find_coterm_quote(self, day: date):
        """Return the open quotation that ends on a common day already.

        :param date day: first day after the new term
        """
        return self._get_open_renewal_quotes().filtered(
            lambda quote: quote.saas_date_term_end == day
        )[:1]

    def _open_coterm_renewals(self):
        """Open the renewals of all of them, with one opportunity.

        :return: ``saas.renewal``
        """
        today = fields.Date.context_today(self)
        # sudo: renewals and their opportunity follow from what the caller may quote
        subscriptions = self.sudo()
        subscriptions._saas_lock()
        renewals = self.env["saas.renewal"].sudo()
        for subscription in subscriptions:
            subscription._sync_renewals(open_until=subscription.term_end)
            renewal = subscription.renewal_ids.filtered(
                lambda r, end=subscription.term_end: r.term_end == end
            )
            renewal._on_opened(today)
            renewals |= renewal
        lead = renewals.lead_id.filtered("active").sorted("id")[:1]
        if not lead:
            lead = renewals.sorted("term_end")[:1]._create_lead()
        others = renewals.lead_id - lead
        renewals.lead_id = lead
        # What they had of their own is merged into the common one.
        others.filtered(lambda other: not other.saas_renewal_ids).action_archive()
        lead._saas_follow_renewals()
        return renewals.sudo(False)
