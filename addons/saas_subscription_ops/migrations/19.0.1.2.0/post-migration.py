# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Signed orders at onboarding projects tell prices: they leave the chatter."""


def migrate(cr, version):
    """Tie the copies of signed orders to the field that says who may read them."""
    cr.execute(
        """
        UPDATE ir_attachment AS copy
           SET res_field = 'saas_signed_attachment_ids'
          FROM sale_order, ir_attachment AS signed
         WHERE signed.id = sale_order.saas_signed_attachment_id
           AND copy.checksum = signed.checksum
           AND copy.res_model = 'project.project'
           AND copy.res_field IS NULL
        """
    )
