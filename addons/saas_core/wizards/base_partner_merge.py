# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.tools import SQL


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    """Let ledger, exceptions and external ids follow a merge of contacts."""

    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        self._allow_ledger_links(dst_partner.id)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        self._allow_ledger_links("")
        # The merge needs no SaaS role; what follows from it is the system's work.
        if self._is_saas_merge(src_partners | dst_partner):
            dst_partner.sudo(False)._saas_emit(
                "account.merged",
                {"from": src_partners.ids, "into": dst_partner.id},
                account=dst_partner,
            )
        self.env["saas.external.id"].sudo()._after_partner_merge(dst_partner)
        return result

    @api.model
    def _allow_ledger_links(self, value):
        """Tell the ledger's guard, in this transaction only, where links may move."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL("SELECT set_config('saas_core.merge_into', %s, true)", str(value))
        )

    @api.model
    def _is_saas_merge(self, partners):
        partners = partners.sudo()  # see above
        return bool(
            any(partners.mapped("saas_lifecycle"))
            or self.env["saas.event"]
            .sudo()
            .search_count([("account_ref", "in", partners.ids)], limit=1)
        )

    @api.model
    def _update_reference_fields(self, src_partners, dst_partner):
        # Exceptions belong to the merged account whoever merges.
        Exceptions = self.env["saas.exception"].sudo()
        exceptions = Exceptions.search(
            [("res_model", "=", "res.partner"), ("res_id", "in", src_partners.ids)]
        )
        for exception in exceptions:
            twin = Exceptions.search(
                [
                    ("company_id", "=", exception.company_id.id),
                    ("code", "=", exception.code),
                    ("res_model", "=", "res.partner"),
                    ("res_id", "=", dst_partner.id),
                    ("state", "in", ("open", "retrying")),
                ],
                limit=1,
            )
            if twin:
                exception._resolve(
                    self.env._(
                        "Contacts merged, goes on as exception %(id)s.", id=twin.id
                    )
                )
            exception.res_id = dst_partner.id
        return super()._update_reference_fields(src_partners, dst_partner)
