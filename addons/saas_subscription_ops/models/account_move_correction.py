# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class AccountMove(models.Model):
    """Which documents correct which, known from the charges they show."""

    _inherit = "account.move"

    saas_corrected_move_ids = fields.Many2many(
        "account.move",
        "saas_move_correction_rel",
        "correction_id",
        "corrected_id",
        string="Corrected Invoices",
        readonly=True,
        copy=False,
        help="Documents that showed earlier revisions of charges shown here.",
    )
    saas_correction_move_ids = fields.Many2many(
        "account.move",
        "saas_move_correction_rel",
        "corrected_id",
        "correction_id",
        string="Corrections",
        readonly=True,
        copy=False,
        help="Documents that show later revisions of charges shown here.",
    )
    saas_corrected_count = fields.Integer(compute="_compute_saas_correction_counts")
    saas_correction_count = fields.Integer(compute="_compute_saas_correction_counts")

    @api.depends("saas_corrected_move_ids", "saas_correction_move_ids")
    def _compute_saas_correction_counts(self):
        for move in self:
            move.saas_corrected_count = len(move.saas_corrected_move_ids)
            move.saas_correction_count = len(move.saas_correction_move_ids)

    def action_view_saas_corrected_moves(self) -> dict:
        """Open the documents this one corrects.

        :return: window action
        """
        return self.saas_corrected_move_ids._get_records_action(
            name=self.env._("Corrected Invoices"), context={"create": False}
        )

    def action_view_saas_correction_moves(self) -> dict:
        """Open the documents that correct this one.

        :return: window action
        """
        return self.saas_correction_move_ids._get_records_action(
            name=self.env._("Corrections"), context={"create": False}
        )

    # ------------------------------------------------------------------
    # By a billing run
    # ------------------------------------------------------------------
    def _saas_link_corrections(self):
        """Link drafts with booked charges to the documents they correct.

        A credit note that corrects exactly one invoice is its reversal also for Odoo,
        which settles the two with each other when it is posted.
        """
        corrections = self.saas_charge_ids.filtered("revision")
        if not corrections:
            return
        earlier = self.env["saas.charge"].search(
            [
                ("subscription_id", "in", corrections.subscription_id.ids),
                ("ref", "in", corrections.mapped("ref")),
                ("move_id", "not in", self.ids),
            ]
        )
        by_ref = earlier.grouped(lambda charge: (charge.subscription_id, charge.ref))
        for move, charges in corrections.grouped("move_id").items():
            corrected = self.browse()
            for charge in charges:
                known = by_ref.get((charge.subscription_id, charge.ref))
                corrected |= known.move_id if known else self.browse()
            if not corrected:
                continue
            vals = {"saas_corrected_move_ids": [fields.Command.set(corrected.ids)]}
            invoices = corrected.filtered(
                lambda other: (
                    other.move_type == "out_invoice" and other.state == "posted"
                )
            )
            if move.move_type == "out_refund" and len(invoices) == 1:
                vals["reversed_entry_id"] = invoices.id
            # The items are not touched, and nobody changed the document by hand.
            move.with_context(
                skip_invoice_sync=True,
                skip_is_manually_modified=True,
                tracking_disable=True,
            ).write(vals)

    def _saas_record_credits(self):
        """Write invoice.credited on what posted documents correct downwards."""
        for move in self.filtered("saas_corrected_move_ids"):
            lowered = move.saas_charge_ids.filtered(
                lambda charge: charge.revision and charge.amount < 0
            )
            for corrected in move.saas_corrected_move_ids:
                refs = {
                    (charge.subscription_id, charge.ref)
                    for charge in corrected.saas_charge_ids
                }
                shown = lowered.filtered(
                    lambda charge, refs=refs: (
                        (charge.subscription_id, charge.ref) in refs
                    )
                )
                if shown:
                    corrected._saas_emit(
                        "invoice.credited",
                        {
                            "number": corrected.name,
                            "by": move.name,
                            "amount": str(
                                move.currency_id.round(-sum(shown.mapped("amount")))
                            ),
                            "currency": move.currency_id.name,
                            "manual": False,
                        },
                    )

    # ------------------------------------------------------------------
    # By hand
    # ------------------------------------------------------------------
    def _post(self, soft=True):
        posted = super()._post(soft)
        # sudo: accountants credit invoices without a right on subscriptions or events
        posted.sudo()._saas_record_manual_credits()
        return posted

    def _saas_record_manual_credits(self):
        """Tell the ledger of events and the subscriptions about credits by hand.

        A credit note that somebody makes of an invoice with charges is money given
        back, not another price: the charges stay booked, and nothing is billed again
        or less because of it.
        """
        manual = self.filtered(
            lambda move: (
                move.move_type == "out_refund"
                and move.reversed_entry_id.saas_charge_count
                and not move.saas_charge_count
            )
        )
        for move in manual:
            invoice = move.reversed_entry_id
            invoice._saas_emit(
                "invoice.credited",
                {
                    "number": invoice.name,
                    "by": move.name,
                    "amount": str(move.amount_untaxed),
                    "currency": move.currency_id.name,
                    "manual": True,
                },
            )
            body = self.env._(
                "%(credit)s credits %(invoice)s by hand. The charges stay booked, so "
                "billing runs neither bill them again nor credit them.",
                credit=move._get_html_link(),
                invoice=invoice._get_html_link(),
            )
            subscriptions = invoice.saas_charge_ids.subscription_id
            subscriptions._message_log_batch(
                bodies=dict.fromkeys(subscriptions.ids, body)
            )
