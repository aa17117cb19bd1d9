# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools.misc import format_date

from ..exceptions import UsagePriceError

#: Subscriptions one job rates.
CHUNK = 100
STATES = [
    ("draft", "Draft"),
    ("running", "Running"),
    ("done", "Done"),
    ("published", "Published"),
]


class SaasUsageSimulation(models.Model):
    """What months of real usage would have cost with draft prices.

    Drafts stand in for the versions they follow, whatever day they begin on. Nothing
    but the result is written; publishing is a step of its own.
    """

    _name = "saas.usage.simulation"
    _description = "Price Simulation"
    _inherit = ["mail.thread", "saas.default.guard"]
    _order = "id desc"
    _check_company_auto = True
    _undefaultable = {"state", "run_number", "position", "line_ids"}

    name = fields.Char(required=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    price_ids = fields.Many2many(
        "saas.usage.price",
        string="Draft Prices",
        check_company=True,
        domain="[('state', '=', 'draft'), ('company_id', '=', company_id)]",
        help="Drafts made with New Version on a price. Each stands in for the other"
        " versions of its price.",
    )
    date_from = fields.Date(
        string="Usage From", required=True, help="Periods that begin on or after it."
    )
    date_to = fields.Date(
        string="Usage To", required=True, help="Periods that end on or before it."
    )
    plan_ids = fields.Many2many(
        "saas.plan", string="Plans", check_company=True, help="Empty: all plans."
    )
    partner_ids = fields.Many2many(
        "res.partner", string="Accounts", help="Empty: all accounts."
    )
    state = fields.Selection(
        STATES, required=True, default="draft", readonly=True, copy=False, tracking=True
    )
    run_number = fields.Integer(readonly=True, copy=False, aggregator=None)
    position = fields.Integer(
        readonly=True,
        copy=False,
        aggregator=None,
        help="Last subscription that was rated.",
    )
    line_ids = fields.One2many(
        "saas.usage.simulation.line", "simulation_id", readonly=True, copy=False
    )
    line_count = fields.Integer(compute="_compute_totals")
    problem_count = fields.Integer(compute="_compute_totals", string="Problems")
    current_total = fields.Monetary(compute="_compute_totals")
    simulated_total = fields.Monetary(compute="_compute_totals")
    difference_total = fields.Monetary(compute="_compute_totals", string="Difference")
    is_correction = fields.Boolean(
        string="Correct Invoiced Periods",
        help="Publish although the drafts begin within periods that were invoiced: the"
        " next billing run corrects these.",
    )

    _interval_valid = models.Constraint(
        "CHECK (date_to > date_from)", "A simulation looks at one day at least."
    )

    @api.depends("line_ids")
    def _compute_totals(self):
        groups = self.env["saas.usage.simulation.line"]._read_group(
            [("simulation_id", "in", self.ids)],
            ["simulation_id"],
            ["__count", "current_company:sum", "simulated_company:sum"],
        )
        totals = {simulation: row for simulation, *row in groups}
        problems = dict(
            self.env["saas.usage.simulation.line"]._read_group(
                [("simulation_id", "in", self.ids), ("problem", "!=", False)],
                ["simulation_id"],
                ["__count"],
            )
        )
        for simulation in self:
            count, current, simulated = totals.get(simulation, (0, 0.0, 0.0))
            simulation.line_count = count
            simulation.problem_count = problems.get(simulation, 0)
            simulation.current_total = current
            simulation.simulated_total = simulated
            simulation.difference_total = simulated - current

    @api.constrains("price_ids")
    def _check_prices(self):
        for simulation in self:
            prices = simulation.price_ids
            if len(prices.root_id) < len(prices):
                raise ValidationError(
                    self.env._(
                        "“%(name)s” has two drafts of one price. Keep the one to"
                        " compare with.",
                        name=simulation.name,
                    )
                )

    def write(self, vals):
        inputs = {
            "company_id",
            "price_ids",
            "date_from",
            "date_to",
            "plan_ids",
            "partner_ids",
        }
        if inputs & vals.keys() and any(one.state != "draft" for one in self):
            raise UsagePriceError(
                self.env._(
                    "The result belongs to what was simulated. Reset the simulation, or"
                    " duplicate it, to look at something else."
                )
            )
        return super().write(vals)

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_run(self) -> bool:
        """Rate the usage with the drafts, in jobs.

        :return: True
        :raise UsagePriceError: no draft to compare with
        """
        self.check_access("write")
        for simulation in self:
            simulation._check_drafts()
            simulation._drop_result()
            # sudo: the state belongs to the steps of the simulation alone
            simulation.sudo().write(
                {"state": "running", "run_number": simulation.run_number + 1}
            )
            simulation._delay()
        return True

    def action_reset(self) -> bool:
        """Drop the result, so that something else can be simulated.

        :return: True
        """
        self.check_access("write")
        for simulation in self.filtered(lambda one: one.state != "published"):
            simulation._drop_result()
            # sudo: see ``action_run``; jobs on their way find another number
            simulation.sudo().write(
                {"state": "draft", "run_number": simulation.run_number + 1}
            )
        return True

    def action_publish(self) -> bool:
        """Publish the drafts as they are, as new versions of their prices.

        :return: True
        :raise UsagePriceError: not compared yet, or invoiced periods would be corrected
        """
        self.check_access("write")
        for simulation in self:
            if simulation.state != "done":
                raise UsagePriceError(
                    self.env._(
                        "Run “%(name)s” first, and look at what changes.",
                        name=simulation.name,
                    )
                )
            simulation._check_drafts()
            if simulation.is_correction:
                simulation._explain_corrections()
            else:
                simulation._check_not_invoiced()
            simulation.price_ids.action_publish()
            # sudo: see ``action_run``
            simulation.sudo().state = "published"
        return True

    def action_view_lines(self) -> dict:
        """Compare what was and what would have been charged.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_simulation_line_action"
        )
        action["domain"] = [("simulation_id", "=", self.id)]
        action["context"] = {}
        return action

    def _check_drafts(self):
        """Refuse to go on without drafts, or with prices published meanwhile."""
        if not self.price_ids or any(one.state != "draft" for one in self.price_ids):
            raise UsagePriceError(
                self.env._(
                    "“%(name)s” compares with draft prices only. Use New Version on a"
                    " price, change the draft, and choose it here.",
                    name=self.name,
                )
            )

    def _check_not_invoiced(self):
        for price in self.price_ids.filtered("corrected_count"):
            raise UsagePriceError(
                self.env._(
                    "“%(name)s” begins on %(start)s, but %(count)s periods were"
                    " invoiced since, which it would correct. Let it begin later, or"
                    " choose “Correct Invoiced Periods”.",
                    name=price.name,
                    start=format_date(self.env, price.date_start),
                    count=price.corrected_count,
                )
            )

    def _explain_corrections(self):
        """Give the drafts that reach back this simulation as their reason."""
        reason = self.env._("Simulated and published as “%(name)s”", name=self.name)
        for price in self.price_ids.filtered("corrected_count"):
            price.correction_reason = price.correction_reason or reason

    # ------------------------------------------------------------------
    # Jobs
    # ------------------------------------------------------------------
    def _drop_result(self):
        # sudo: results are written by the simulation alone
        self.sudo().write({"line_ids": [Command.clear()], "position": 0})

    def _delay(self):
        self.with_delay(
            description=self.env._("Simulate %(name)s", name=self.name),
            identity_key=f"saas_usage_simulation:{self.id}:{self.run_number}:"
            f"{self.position}",
        )._job_simulate(self.run_number, self.position)

    def _job_simulate(self, run_number, position):
        """Rate the next subscriptions; what they cost is kept with how far it got.

        :param int run_number: the run the job belongs to; another one makes it useless
        :param int position: last subscription rated before
        """
        self.ensure_one()
        if (self.state, self.run_number, self.position) != (
            "running",
            run_number,
            position,
        ):
            return
        subscriptions = self._find_subscriptions(position)
        # sudo: results are written by the simulation alone
        Line = self.env["saas.usage.simulation.line"].sudo()
        Line.create(list(Line._prepare_lines(self, subscriptions)))
        if len(subscriptions) < CHUNK:
            self.sudo().state = "done"
            return
        self.sudo().position = subscriptions[-1].id
        self._delay()

    def _find_subscriptions(self, position):
        """Return the next subscriptions the drafts are about.

        :param int position: id of the last one before
        """
        domain = [
            ("id", ">", position),
            ("company_id", "=", self.company_id.id),
            ("state", "!=", "draft"),
            ("currency_id", "in", self.price_ids.currency_id.ids),
            (
                "line_ids.product_id.product_tmpl_id",
                "in",
                self.price_ids.product_tmpl_id.ids,
            ),
        ]
        if self.plan_ids:
            domain.append(("plan_id", "in", self.plan_ids.ids))
        if self.partner_ids:
            accounts = self.partner_ids.commercial_partner_id
            domain.append(("commercial_partner_id", "in", accounts.ids))
        return self.env["saas.subscription"].search(domain, order="id", limit=CHUNK)
