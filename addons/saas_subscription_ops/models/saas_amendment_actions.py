# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The dialog of an amendment."""

from odoo import models

from ..exceptions import AmendmentError


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    def action_confirm_dialog(self) -> bool:
        """Confirm from the dialog: rows nobody touched are dropped first.

        :return: True, which closes the dialog
        :raise AmendmentError: nothing changes, or it can't be made
        """
        self.check_access("write")
        for amendment in self.filtered(lambda a: a.state == "draft"):
            untouched = amendment.line_ids.filtered(lambda line: line._is_untouched())
            if untouched and untouched == amendment.line_ids:
                raise AmendmentError(
                    self.env._(
                        "Nothing changes yet: enter a new quantity, price or product."
                    )
                )
            untouched.unlink()
            amendment._name_direction()
        return self.action_confirm()

    def _name_direction(self):
        """Call an upgrade to less than before a downgrade."""
        self.ensure_one()
        if self.kind not in ("upgrade", "downgrade"):
            return
        effect = self._preview()
        if effect["problem"]:
            return
        kind = "downgrade" if effect["mrr_after"] < effect["mrr_before"] else "upgrade"
        if kind != self.kind:
            self.kind = kind

    def _withdraw(self) -> bool:
        """Take back a request nobody has decided on, or a scheduled change.

        :return: True
        """
        self.ensure_one()
        if self.state != "draft":
            return self.action_undo()
        self._set_state({"draft"}, "undone")
        self._saas_emit("amendment.undone", self._get_payload())
        self._close_activities()
        return True

    def _portal_get_terms(self) -> set:
        """Return what the rows ask for, to recognise the same request."""
        self.ensure_one()
        return {
            (line.line_id._origin.id, line.action, line.quantity)
            for line in self.line_ids
        }

    def _portal_describe(self) -> str:
        """Say in words what a change of products does, for the customer."""
        self.ensure_one()
        return ", ".join(
            self.env._(
                "%(line)s: %(quantity)s",
                line=line.product_id.display_name or line.line_id.name,
                quantity=f"{line.quantity:g}",
            )
            for line in self.line_ids
            if line.action in ("set", "start") and line.has_quantity
        )
