# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

#: Holds named in the chatter of a run; the rest is counted.
NAMED = 20


class SaasBillingRun(models.Model):
    """Usage that is held is named on the run that leaves it out."""

    _inherit = "saas.billing.run"

    usage_hold_count = fields.Integer(
        compute="_compute_usage_hold_count", string="Usage Holds"
    )

    def _compute_usage_hold_count(self):
        for run in self:
            run.usage_hold_count = self.env["saas.usage.hold"].search_count(
                run._get_usage_hold_domain()
            )

    def action_view_usage_holds(self) -> dict:
        """Open the holds of the run's subscriptions.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_hold_action"
        )
        action["domain"] = self._get_usage_hold_domain()
        action["context"] = {}
        return action

    def _get_usage_hold_domain(self) -> list:
        """Return the domain of the open holds on usage in the run's scope."""
        self.ensure_one()
        if not self.date_cutoff:
            return [("id", "=", False)]
        return [
            ("state", "=", "open"),
            ("date_from", "<", self.date_cutoff),
            ("subscription_id", "any", self._get_scope_domain()),
        ]

    def _on_computed(self):
        self._name_usage_holds()
        return super()._on_computed()

    def _name_usage_holds(self):
        """Say in the chatter which usage the run leaves out."""
        # sudo: what is left out is said, whoever computes
        holds = self.env["saas.usage.hold"].sudo()
        domain = self._get_usage_hold_domain()
        count = holds.search_count(domain)
        if not count:
            return
        found = holds.search(domain, limit=NAMED)
        kinds = dict(holds._fields["kind"]._description_selection(self.env))
        names = "; ".join(f"{hold.name} ({kinds[hold.kind]})" for hold in found)
        if count > NAMED:
            names = self.env._(
                "%(names)s and %(more)s more", names=names, more=count - NAMED
            )
        self.message_post(
            body=self.env._("Usage held back from this run: %(names)s", names=names)
        )
