# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Lines as a timeline: who changed what, when, and since when it counts."""

from odoo import api, fields, models
from odoo.tools.misc import formatLang

from .saas_plan import describe_recurrence


class SaasSubscriptionLine(models.Model):
    _inherit = "saas.subscription.line"

    is_empty = fields.Boolean(
        string="Without Days",
        compute="_compute_is_empty",
        store=True,
        precompute=True,
        help="An earlier plan that a later change replaced from its first day on.",
    )
    timeline_state = fields.Selection(
        [
            ("past", "Past"),
            ("running", "In Force"),
            ("ahead", "Scheduled"),
            ("replaced", "Replaced"),
        ],
        string="Status",
        compute="_compute_timeline_state",
    )
    change_text = fields.Char(string="What Changed", compute="_compute_change_text")
    changed_by_id = fields.Many2one(
        "res.users", string="Confirmed By", compute="_compute_changed_by"
    )
    changed_at = fields.Datetime(string="Confirmed At", compute="_compute_changed_by")

    @api.depends("date_start", "date_end")
    def _compute_is_empty(self):
        for line in self:
            line.is_empty = bool(line.date_end) and line.date_end <= line.date_start

    @api.depends("date_start", "date_end", "subscription_id.date_end")
    def _compute_timeline_state(self):
        today = fields.Date.context_today(self)
        for line in self:
            ends = [
                day for day in (line.date_end, line.subscription_id.date_end) if day
            ]
            if line.is_empty:
                line.timeline_state = "replaced"
            elif not line.date_start or line.date_start > today:
                line.timeline_state = "ahead"
            elif ends and min(ends) <= today:
                line.timeline_state = "past"
            else:
                line.timeline_state = "running"

    @api.depends("amendment_id")
    def _compute_changed_by(self):
        for line in self:
            # sudo: who and when, for whoever may read the line
            amendment = line.sudo().amendment_id
            line.changed_by_id = (
                (amendment.requested_by_id or amendment.create_uid)
                if amendment
                else line.sudo().create_uid
            )
            line.changed_at = (
                (amendment.confirmed_at or amendment.create_date)
                if amendment
                else line.create_date
            )

    @api.depends("amendment_id", "quantity", "price_unit", "discount", "product_id")
    def _compute_change_text(self):
        for line in self:
            line.change_text = line._describe_change(line._get_previous_line())

    def _get_recurrence_label(self) -> str:
        """Return the billing period in words, for example ``every 3 months``."""
        self.ensure_one()
        if not self.recurrence_unit:
            # sudo: customers may know the rhythm of their plan
            return self.subscription_id.sudo().plan_id._get_recurrence_label()
        return describe_recurrence(
            self.env, self.recurrence_unit, self.recurrence_count
        )

    def _get_previous_line(self):
        """Return the line of the chain in force before this one, if any."""
        self.ensure_one()
        chain = self.subscription_id.line_ids.filtered(
            lambda line: (
                line.root_id == self.root_id
                and line != self
                and not line.is_empty
                and line.date_start < self.date_start
            )
        )
        return chain.sorted("date_start")[-1:]

    def _describe_change(self, before) -> str:
        """Say in words what this line changed.

        :param before: line in force before, empty when there was none
        """
        self.ensure_one()
        if not before:
            terms = {
                "quantity": self._format_term("quantity", self.quantity),
                "price": self._format_term("price_unit", self.price_unit),
            }
            if self.kind == "usage":
                return self.env._("Charged by use")
            if self.amendment_id:
                return self.env._("Added: %(quantity)s × %(price)s", **terms)
            return self.env._("Sold: %(quantity)s × %(price)s", **terms)
        changes = []
        if self.product_id != before.product_id:
            changes.append(
                self.env._(
                    "%(before)s → %(after)s",
                    before=before.product_id.display_name,
                    after=self.product_id.display_name,
                )
            )
        for name, label in (
            ("quantity", self.env._("Quantity")),
            ("price_unit", self.env._("Price")),
            ("discount", self.env._("Discount")),
        ):
            if self[name] != before[name]:
                changes.append(
                    self.env._(
                        "%(label)s %(before)s → %(after)s",
                        label=label,
                        before=self._format_term(name, before[name]),
                        after=self._format_term(name, self[name]),
                    )
                )
        return ", ".join(changes) or self.env._("Continued")

    def _format_term(self, name: str, value: float) -> str:
        if name == "price_unit":
            return formatLang(self.env, value, currency_obj=self.currency_id)
        text = f"{value:g}"
        return f"{text} %" if name == "discount" else text
