# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Why a quotation can't become a valid subscription, in words."""

from odoo import fields, models
from odoo.tools.misc import format_date

from ..exceptions import QuoteError
from .saas_subscription import LIVE_STATES

# A running subscription can move to another plan only if these stay.
RHYTHM_FIELDS = (
    "recurrence_unit",
    "recurrence_count",
    "alignment",
    "proration_policy",
    "grace_days",
)


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def _confirmation_error_message(self):
        message = super()._confirmation_error_message()
        if message:
            return message
        return "\n".join(self._saas_get_quote_problems()) or False

    def _prepare_confirmation_values(self):
        values = super()._prepare_confirmation_values()
        for order in self:
            if order.saas_plan_id and not order.saas_start_date:
                order.saas_start_date = fields.Date.context_today(order)
        return values

    def _saas_check_quote(self):
        """Refuse a quote that can't become a valid subscription.

        :raise QuoteError: all reasons at once
        """
        problems = self._saas_get_quote_problems()
        if problems:
            raise QuoteError("\n".join(problems))

    def _saas_get_quote_problems(self) -> list[str]:
        """Return why the quote can't become a valid subscription.

        Extend it to add a rule: call ``super()`` and append a sentence that names the
        line and the cure.

        :return: one sentence per problem; empty for an ordinary order
        """
        self.ensure_one()
        lines = self._saas_get_subscription_lines()
        if not lines:
            # Packages may be sold alone, too.
            problems = self._saas_get_amendment_problems()
            return problems + self._saas_get_template_problems()
        plans = self._saas_get_sold_plans()
        if not plans:
            return [
                self.env._(
                    "%(products)s can only be charged by a subscription: add a "
                    "product that starts a plan.",
                    products=", ".join(lines.product_id.mapped("display_name")),
                )
            ]
        problems = []
        if len(plans) > 1:
            problems.append(
                self.env._(
                    "The products belong to several plans (%(plans)s): make one quote "
                    "per plan.",
                    plans=", ".join(plans.mapped("name")),
                )
            )
        problems += self._saas_get_plan_problems(plans)
        for line in lines:
            problems += self._saas_get_line_problems(line)
        problems += self._saas_get_term_problems()
        problems += self._saas_get_ramp_problems()
        problems += self._saas_get_coupon_problems()
        problems += self._saas_get_amendment_problems()
        return problems + self._saas_get_template_problems()

    def _saas_get_sold_plans(self):
        """Return the plans the contract is on with this quotation; one is right."""
        self.ensure_one()
        if self.saas_order_kind == "new":
            return self._saas_get_plans()
        lines = self._saas_get_subscription_lines()
        kept = lines.filtered(lambda line: line.product_uom_qty > 0)
        plans = kept.product_id.saas_plan_id
        return plans or self.saas_amended_subscription_id.plan_id

    def _saas_get_plan_problems(self, plans) -> list[str]:
        problems = []
        for plan in plans:
            if not plan.active and self.saas_order_kind == "new":
                problems.append(
                    self.env._(
                        "Plan %(plan)s is archived: choose a product with a current "
                        "plan.",
                        plan=plan.name,
                    )
                )
            if plan.company_id and plan.company_id != self.company_id:
                problems.append(
                    self.env._(
                        "Plan %(plan)s belongs to %(company)s: choose a plan of "
                        "%(own)s.",
                        plan=plan.name,
                        company=plan.company_id.name,
                        own=self.company_id.name,
                    )
                )
        return problems

    def _saas_get_line_problems(self, line) -> list[str]:
        """Return why one line can't be charged by the subscription.

        Extend it to add a rule about a line; the text is shown at the line and on
        top of the quotation, so it names the line and the cure.

        :param line: order line with a subscription charge
        :return: one sentence per problem
        """
        kind = line.product_id.saas_charge_kind
        name = line.product_id.display_name
        problems = []
        least = 0 if line.saas_continued_line_id else 1e-9
        if kind == "recurring" and line.product_uom_qty < least:
            problems.append(
                self.env._(
                    "%(line)s: a recurring line needs a quantity above zero.", line=name
                )
            )
        if kind in ("recurring", "one_time") and line.price_unit < 0:
            problems.append(
                self.env._(
                    "%(line)s: a subscription can't charge a negative price. Use a "
                    "discount.",
                    line=name,
                )
            )
        if not 0 <= line.discount <= 100:
            problems.append(
                self.env._(
                    "%(line)s: the discount lies between 0 and 100 percent.", line=name
                )
            )
        return problems + self._saas_get_continued_problems(line)

    def _saas_get_template_problems(self) -> list[str]:
        problems = []
        # sudo: the salesperson need not see the projects of delivery
        for template in self.sudo()._saas_get_onboarding_templates():
            problem = template._saas_get_template_problem()
            if problem:
                problems.append(problem)
            elif template.company_id not in (self.company_id, self.env["res.company"]):
                problems.append(
                    self.env._(
                        "The onboarding template %(template)s belongs to "
                        "%(company)s: use one of %(own)s or without company.",
                        template=template.name,
                        company=template.company_id.name,
                        own=self.company_id.name,
                    )
                )
        return problems

    def _saas_get_term_problems(self) -> list[str]:
        if self.saas_order_kind == "amendment":
            return []
        plan, term = self.saas_plan_id, self.saas_term_months
        problems = []
        if self.saas_order_kind == "renewal" and not term:
            problems.append(
                self.env._("A renewal needs a term: set its number of months.")
            )
        if term and term < plan.min_term_months:
            problems.append(
                self.env._(
                    "The term of %(term)s months is shorter than the minimum term of "
                    "%(minimum)s months of plan %(plan)s: lengthen it.",
                    term=term,
                    minimum=plan.min_term_months,
                    plan=plan.name,
                )
            )
        if term and plan.notice_days > term * 28:
            problems.append(
                self.env._(
                    "A notice of %(days)s days, as plan %(plan)s has it, does not fit "
                    "into a term of %(term)s months: lengthen the term.",
                    days=plan.notice_days,
                    plan=plan.name,
                    term=term,
                )
            )
        return problems

    def _saas_get_ramp_problems(self) -> list[str]:
        if not self.saas_ramp_ids:
            return []
        if self.saas_order_kind == "amendment":
            return [
                self.env._(
                    "An amendment takes effect on one day: remove its ramp prices, or "
                    "make one amendment per step."
                )
            ]
        problems = []
        seen = set()
        for ramp in self.saas_ramp_ids:
            problems += self._saas_get_ramp_step_problems(ramp)
            key = (ramp.order_line_id, ramp.from_month)
            if key in seen:
                problems.append(
                    self.env._(
                        "%(step)s: there are two ramp steps in the same month. Remove "
                        "one of them.",
                        step=ramp.display_name,
                    )
                )
            seen.add(key)
        return problems

    def _saas_get_ramp_step_problems(self, ramp) -> list[str]:
        term = self.saas_term_months
        line = ramp.order_line_id
        name = ramp.display_name
        problems = []
        if ramp.from_month <= 0:
            problems.append(
                self.env._(
                    "%(step)s: a ramp step begins at least one month after the start; "
                    "the first price is that of the line.",
                    step=name,
                )
            )
        if term and ramp.from_month >= term:
            problems.append(
                self.env._(
                    "%(step)s: the ramp step lies beyond the term of %(term)s months. "
                    "Remove it or lengthen the term.",
                    step=name,
                    term=term,
                )
            )
        if line and line.product_id.saas_charge_kind != "recurring":
            problems.append(
                self.env._(
                    "%(step)s: only recurring lines have ramp prices. Choose another "
                    "line.",
                    step=name,
                )
            )
        if line and ramp.quantity <= 0:
            problems.append(
                self.env._(
                    "%(step)s: the ramp step needs a quantity above zero.", step=name
                )
            )
        return problems

    def _saas_get_coupon_problems(self) -> list[str]:
        coupon = self.saas_coupon_id
        if not coupon:
            return []
        # Delivered: the grant itself was checked, and counts now.
        grants = self._saas_get_subscription().coupon_ids
        granted = grants.filtered(lambda grant: grant.coupon_id == coupon)
        if granted and granted.order_id == self:
            return []
        if granted:
            return [
                self.env._(
                    "%(subscription)s has coupon %(code)s already: remove it.",
                    subscription=granted.subscription_id.name,
                    code=coupon.code,
                )
            ]
        refusal = self._saas_get_coupon_refusal(coupon)
        if refusal:
            return [refusal]
        products = self._saas_get_recurring_lines().product_id
        if coupon.product_ids and not coupon.product_ids & products:
            return [
                self.env._(
                    "Coupon %(code)s reduces none of the lines: remove it or add one "
                    "of %(products)s.",
                    code=coupon.code,
                    products=", ".join(coupon.product_ids.mapped("display_name")),
                )
            ]
        return []

    def _saas_get_coupon_refusal(self, coupon) -> str:
        """Return why a coupon can't be put on the quotation, or an empty text."""
        self.ensure_one()
        day = fields.Date.context_today(self)
        if self.state == "sale" and self.date_order:
            # Signed in time is in time, also when the step is repeated later.
            moment = fields.Datetime.context_timestamp(self, self.date_order)
            day = moment.date()
        return coupon._get_refusal(day, self.company_id, self.currency_id)

    # ------------------------------------------------------------------
    # Amendments and renewals
    # ------------------------------------------------------------------
    def _saas_get_amendment_problems(self) -> list[str]:
        subscription = self.saas_amended_subscription_id
        if self.saas_order_kind == "new" or self._saas_is_amended():
            return []
        problems = self._saas_get_amended_problems(subscription)
        problems += self._saas_get_rhythm_problems(subscription)
        problems += self._saas_get_effect_problems(subscription)
        changes = self._saas_get_amendment_changes()
        if self.saas_order_kind == "amendment" and not changes:
            problems.append(
                self.env._(
                    "The quotation changes nothing: change a quantity or price, or add "
                    "a product."
                )
            )
        if not self._saas_leaves_a_line():
            problems.append(
                self.env._(
                    "Nothing recurring is left of %(subscription)s: cancel it instead.",
                    subscription=subscription.name,
                )
            )
        return problems

    def _saas_leaves_a_line(self) -> bool:
        """Return whether something recurring or metered is charged afterwards."""
        lines = self._saas_get_subscription_lines().filtered(
            lambda line: line.product_id.saas_charge_kind != "one_time"
        )
        metered = self.saas_amended_subscription_id.line_ids.filtered(
            lambda line: line.kind == "usage"
        )
        return bool(
            self._saas_get_untouched_lines()
            or metered
            or any(line.product_uom_qty > 0 for line in lines)
        )

    def _saas_get_amended_problems(self, subscription) -> list[str]:
        problems = []
        if subscription.state not in LIVE_STATES:
            field = subscription._fields["state"]
            states = dict(field._description_selection(self.env))
            problems.append(
                self.env._(
                    "%(subscription)s is %(state)s, only a running subscription can be "
                    "amended: make a quotation for a new one.",
                    subscription=subscription.name,
                    state=states.get(subscription.state),
                )
            )
        if self.partner_id.commercial_partner_id != subscription.commercial_partner_id:
            problems.append(
                self.env._(
                    "%(subscription)s belongs to %(account)s: quote it to them.",
                    subscription=subscription.name,
                    account=subscription.commercial_partner_id.display_name,
                )
            )
        if self.currency_id != subscription.currency_id:
            problems.append(
                self.env._(
                    "%(subscription)s is charged in %(currency)s: choose a price list "
                    "in %(currency)s.",
                    subscription=subscription.name,
                    currency=subscription.currency_id.name,
                )
            )
        return problems

    def _saas_get_rhythm_problems(self, subscription) -> list[str]:
        """Return why the subscription can't move to the plan of a quoted product."""
        present = subscription.plan_id
        return [
            self.env._(
                "Plan %(plan)s bills in another rhythm than %(present)s, which "
                "%(subscription)s is on: cancel it at the end of its period and quote "
                "a new subscription.",
                plan=plan.name,
                present=present.name,
                subscription=subscription.name,
            )
            for plan in self._saas_get_sold_plans() - present
            if any(plan[name] != present[name] for name in RHYTHM_FIELDS)
        ]

    def _saas_get_effect_problems(self, subscription) -> list[str]:
        start = self.saas_start_date or fields.Date.context_today(self)
        name = subscription.name
        if start < subscription.date_start:
            return [
                self.env._(
                    "%(subscription)s starts on %(start)s, it can't change before: set "
                    "a later day.",
                    subscription=name,
                    start=format_date(self.env, subscription.date_start),
                )
            ]
        if subscription.date_end and start > subscription.date_end:
            return [
                self.env._(
                    "%(subscription)s ends on %(end)s, it can't change afterwards: set "
                    "an earlier day.",
                    subscription=name,
                    end=format_date(self.env, subscription.date_end),
                )
            ]
        return []

    def _saas_get_continued_problems(self, line) -> list[str]:
        """Return why a line can't continue the subscription line it is about."""
        continued = line.saas_continued_line_id
        subscription = self.saas_amended_subscription_id
        # sudo: whether the terms are still those, no more
        quoted = line.sudo().saas_quoted_terms
        if not (continued or quoted) or self._saas_is_amended():
            return []
        name = line.product_id.display_name
        if not continued:
            # Without what it is about it would be sold in addition.
            return [self._saas_describe_requote(line)]
        if continued.subscription_id != subscription:
            return [
                self.env._(
                    "%(line)s: continues a line of another subscription. Remove it and "
                    "add the product anew.",
                    line=name,
                )
            ]
        twins = self.order_line.filtered(
            lambda other: other.saas_continued_line_id == continued
        )
        if len(twins) > 1:
            return [
                self.env._(
                    "%(line)s: two lines continue the same line of the subscription. "
                    "Remove one and add the product anew.",
                    line=name,
                )
            ]
        running = self._saas_get_continuable_lines()
        if continued in running:
            day = self._saas_get_effective_date()
            changed = quoted and quoted != continued._get_quotable_terms(day)
            return [self._saas_describe_requote(line)] if changed else []
        if continued.root_id in running.root_id:
            # Another line of the chain is in force: its terms were never quoted.
            return [self._saas_describe_requote(line)]
        return [
            self.env._(
                "%(line)s: the line of %(subscription)s no longer applies on that "
                "day. Remove it and add the product anew.",
                line=name,
                subscription=subscription.name,
            )
        ]

    def _saas_describe_requote(self, line) -> str:
        """Return that a line was changed behind the back of the quotation."""
        return self.env._(
            "%(line)s: the line of %(subscription)s has changed since it was quoted. "
            "Make a new quotation.",
            line=line.product_id.display_name,
            subscription=self.saas_amended_subscription_id.name,
        )
