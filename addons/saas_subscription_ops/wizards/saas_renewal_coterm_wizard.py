# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, fields, models

from ..exceptions import RenewalError
from ..models.saas_subscription import LIVE_STATES


class SaasRenewalCotermWizard(models.TransientModel):
    """Let the next terms of several subscriptions of an account end on one day."""

    _name = "saas.renewal.coterm.wizard"
    _description = "Co-Terming"

    partner_id = fields.Many2one(
        "res.partner", string="Account", compute="_compute_partner_id"
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    subscription_ids = fields.Many2many("saas.subscription", required=True)
    date_end = fields.Date(
        string="Common End",
        compute="_compute_date_end",
        store=True,
        readonly=False,
        help="First day after the new terms of all of them.",
    )
    uplift = fields.Float(
        string="Uplift (%)",
        help="Raises, or with a minus lowers, the price of every recurring line in "
        "the quotations of all of them. 0: each takes the uplift of its own plan.",
    )
    line_ids = fields.One2many(
        "saas.renewal.coterm.line",
        "wizard_id",
        compute="_compute_line_ids",
        # What stands against it depends on who asks.
        compute_sudo=False,
        store=True,
    )
    has_problem = fields.Boolean(compute="_compute_has_problem")

    @api.model
    def default_get(self, fields_list):
        vals = super().default_get(fields_list)
        if self.env.context.get("active_model") == "saas.subscription":
            records = self.env["saas.subscription"].browse(
                self.env.context.get("active_ids", [])
            )
            vals["subscription_ids"] = [Command.set(records.ids)]
            if records:
                vals["company_id"] = records[0].company_id.id
        return vals

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("subscription_ids")
    def _compute_partner_id(self):
        for wizard in self:
            wizard.partner_id = wizard.subscription_ids[:1].commercial_partner_id

    @api.depends("subscription_ids")
    def _compute_date_end(self):
        for wizard in self:
            wizard.date_end = wizard._propose_end() or wizard.date_end

    def _propose_end(self):
        """Return the day on which the last of the next terms would end."""
        ends = [
            fields.Date.add(
                subscription.term_end, months=subscription.plan_id.term_months or 12
            )
            for subscription in self.subscription_ids
            if subscription.term_end
        ]
        return max(ends, default=False)

    @api.depends("subscription_ids", "date_end")
    def _compute_line_ids(self):
        for wizard in self:
            wizard.line_ids = [Command.clear()] + [
                Command.create(
                    {
                        "subscription_id": subscription._origin.id or subscription.id,
                        "problem": wizard._get_problem(subscription) or False,
                    }
                )
                for subscription in wizard.subscription_ids
            ]

    @api.depends("line_ids.problem")
    def _compute_has_problem(self):
        for wizard in self:
            wizard.has_problem = any(wizard.line_ids.mapped("problem"))

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    def _get_problem(self, subscription) -> str:
        """Return why a subscription can't end together with the others.

        :param subscription: ``saas.subscription``
        :return: one sentence with the cure, or an empty text
        """
        first = self.subscription_ids[:1]
        name = subscription.name
        if subscription.commercial_partner_id != first.commercial_partner_id:
            return self.env._(
                "%(name)s belongs to %(account)s: choose subscriptions of one account.",
                name=name,
                account=subscription.commercial_partner_id.display_name,
            )
        if subscription.company_id != first.company_id:
            return self.env._(
                "%(name)s belongs to %(company)s: choose subscriptions of one company.",
                name=name,
                company=subscription.company_id.name,
            )
        if subscription.currency_id != first.currency_id:
            return self.env._(
                "%(name)s is charged in %(currency)s: choose subscriptions in one "
                "currency.",
                name=name,
                currency=subscription.currency_id.name,
            )
        return (
            self._get_state_problem(subscription)
            or self._get_day_problem(subscription)
            or subscription._get_quote_access_problem(self._get_owner(subscription))
        )

    def _get_owner(self, subscription):
        """Return whom the quotation of a subscription would belong to.

        All of them belong to the owner of the first renewal.
        """
        # sudo: owners are looked up for whoever asks
        first = self.subscription_ids[:1]._origin.sudo()
        renewal = first.renewal_ids.filtered(lambda r: r.term_end == first.term_end)
        owner = renewal.user_id or first._find_renewal_owner()[0]
        return owner or subscription._origin.sudo().user_id

    def _get_state_problem(self, subscription) -> str:
        name = subscription.name
        if subscription.state not in LIVE_STATES:
            states = dict(
                subscription._fields["state"]._description_selection(self.env)
            )
            return self.env._(
                "%(name)s is %(state)s, only running subscriptions are renewed.",
                name=name,
                state=states[subscription.state],
            )
        problem = subscription._get_renewable_problem()
        if problem:
            return problem
        if subscription.has_scheduled_cancel:
            return self.env._(
                "%(name)s is cancelled: undo the cancellation first.", name=name
            )
        return ""

    def _get_day_problem(self, subscription) -> str:
        """Return why the common end does not fit the calendar of a subscription."""
        if not self.date_end:
            return ""
        return subscription._get_quoted_term_problem(
            subscription.term_end, self.date_end
        )

    # ------------------------------------------------------------------
    # Action
    # ------------------------------------------------------------------
    def action_quote(self) -> dict:
        """Make one opportunity for all of them and one quotation each.

        :return: window action of the quotations
        :raise RenewalError: one of them does not fit, or there is only one
        """
        self.ensure_one()
        subscriptions = self.subscription_ids
        if not self.date_end:
            raise RenewalError(self.env._("Choose the day they are to end on."))
        problems = [
            problem for problem in map(self._get_problem, subscriptions) if problem
        ]
        if len(subscriptions) < 2:
            problems.append(self.env._("Choose at least two subscriptions."))
        if problems:
            raise RenewalError("\n".join(problems))
        subscriptions.check_access("read")
        self.env["sale.order"].check_access("create")
        renewals = subscriptions._open_coterm_renewals()
        orders = self.env["sale.order"]
        for subscription in subscriptions:
            orders |= subscription._find_coterm_quote(
                self.date_end
            ) or subscription._create_renewal_quote(
                uplift=self.uplift or None,
                date_term_end=self.date_end,
                owner=renewals[:1].user_id,
            )
        return orders._get_records_action(
            name=self.env._("Quotations with a Common End"), context={"create": False}
        )
