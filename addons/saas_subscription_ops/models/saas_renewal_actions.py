# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What people do with a renewal on its screens, and how other screens lead to it."""

from odoo import api, fields, models

from ..exceptions import RenewalError

#: Colour numbers of boards and calendars.
COLORS = {"commit": 10, "best_case": 4, "at_risk": 3, "lost": 1}


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    days_to_notice = fields.Integer(
        string="Days to Notice",
        compute="_compute_days_to_notice",
        help="Days until the last day on which notice can be given; negative after it.",
    )

    color = fields.Integer(compute="_compute_color")

    @api.depends("category")
    def _compute_color(self):
        for renewal in self:
            renewal.color = COLORS.get(renewal.category, 0)

    @api.depends_context("saas_with_account")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        if self.env.context.get("saas_with_account"):
            # In a calendar the day is known, the customer is not.
            for renewal in self:
                account = renewal.partner_id.name or ""
                renewal.display_name = f"{account} ({renewal.subscription_id.name})"
        return result

    @api.depends_context("tz")
    @api.depends("date_notice")
    def _compute_days_to_notice(self):
        today = fields.Date.context_today(self)
        for renewal in self:
            notice = renewal.date_notice
            renewal.days_to_notice = (notice - today).days if notice else 0

    # ------------------------------------------------------------------
    # Other documents
    # ------------------------------------------------------------------
    def action_view_subscription(self) -> dict:
        """Open the subscription.

        :return: window action
        """
        return self.subscription_id._get_records_action(context={})

    def action_view_lead(self) -> dict:
        """Open the opportunity.

        :return: window action
        :raise RenewalError: there is none
        """
        self.ensure_one()
        if not self.lead_id:
            raise RenewalError(
                self.env._(
                    "%(name)s has no opportunity yet: press Open Opportunity.",
                    name=self.display_name,
                )
            )
        return self.lead_id._get_records_action(context={})

    def action_view_order(self) -> dict:
        """Open the renewal quotation.

        :return: window action
        :raise RenewalError: there is none
        """
        self.ensure_one()
        if not self.order_id:
            raise RenewalError(
                self.env._(
                    "%(name)s has no quotation yet: press Make Quotation.",
                    name=self.display_name,
                )
            )
        return self.order_id._get_records_action(context={})

    def action_view_snapshots(self) -> dict:
        """Open the forecasts that were kept.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_renewal_snapshot_action"
        )
        action["domain"] = [("renewal_id", "=", self.id)]
        action["context"] = {}
        action["views"] = [(False, "list"), (False, "graph"), (False, "form")]
        action["view_mode"] = "list,graph,form"
        return action

    def action_mark_lost(self) -> dict:
        """Ask for the reason in the dialog of the pipeline.

        :return: window action of the native lost wizard
        :raise RenewalError: decided already, or without an opportunity
        """
        self.ensure_one()
        self.check_access("write")
        self._check_open()
        if not self.lead_id:
            raise RenewalError(
                self.env._(
                    "%(name)s has no opportunity to mark as lost: press Open "
                    "Opportunity first, or set the category to Lost with a reason.",
                    name=self.display_name,
                )
            )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "crm.crm_lead_lost_action"
        )
        action["context"] = {"default_lead_ids": self.lead_id.ids}
        return action

    def _check_open(self):
        """Refuse a step on a renewal that is decided.

        :raise RenewalError: decided already
        """
        decided = self.filtered(lambda renewal: renewal.outcome != "open")
        if decided:
            raise RenewalError(
                self.env._(
                    "%(names)s: decided already. Look at its subscription for the "
                    "next term.",
                    names=", ".join(decided.mapped("display_name")),
                )
            )

    @api.model
    def _get_list_action(self, domain: list) -> dict:
        """Return the window action of some renewals, decided ones included.

        :param list domain: which ones
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_renewal_action"
        )
        action["domain"] = domain
        action["context"] = {"create": False}
        action["views"] = [
            (False, "list"),
            (False, "kanban"),
            (False, "calendar"),
            (False, "form"),
        ]
        action["view_mode"] = "list,kanban,calendar,form"
        return action
