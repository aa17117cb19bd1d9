# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage that waits is left out of what is due; the rest is billed."""

from odoo import fields, models

from odoo.addons.saas_subscription_ops.engine.ledger import base_kind

from .usage_bounds import get_given


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_hold_ids = fields.One2many(
        "saas.usage.hold",
        "subscription_id",
        string="Usage Holds",
        groups="saas_core.group_saas_core_user",
    )
    usage_hold_count = fields.Integer(
        compute="_compute_usage_hold_count",
        string="Open Holds",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_usage_hold_count(self):
        counts = dict(
            self.env["saas.usage.hold"]._read_group(
                [("subscription_id", "in", self.ids), ("state", "=", "open")],
                ["subscription_id"],
                ["__count"],
            )
        )
        for subscription in self:
            subscription.usage_hold_count = counts.get(subscription._origin, 0)

    def action_view_usage_holds(self) -> dict:
        """Open the holds of the subscription's usage.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_hold_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["context"] = {"default_subscription_id": self.id}
        return action

    def _get_held_refs(self, proposed, booked, date_cutoff) -> set[str]:
        """Leave out the usage of held periods, on both sides."""
        held = super()._get_held_refs(proposed, booked, date_cutoff)
        holds = self._get_usage_holds()
        if not holds:
            return held
        # sudo: whoever may see a charge need not be allowed to see the meter
        meters = {
            line.id: line.product_id.saas_meter_id.id for line in self.sudo().line_ids
        }
        usage = [row for row in proposed if base_kind(row.kind, row.details) == "usage"]
        usage += [row for row in booked if row.kind == "usage"]
        return held | {
            row.ref
            for row in usage
            if holds._covers(
                meters.get(row.line_id), row.service_start, row.service_end
            )
        }

    def _get_usage_holds(self):
        """Return the holds that count: the open ones, and those of the line.

        A hold released since a billing run was approved still holds for that run.
        """
        self.ensure_one()
        given = get_given(self.env)
        kept = given.hold_ids if given else ()
        # sudo: the difference must know what is held, whoever computes it
        return self.sudo().usage_hold_ids.filtered(
            lambda hold: hold.state == "open" or hold.id in kept
        )
