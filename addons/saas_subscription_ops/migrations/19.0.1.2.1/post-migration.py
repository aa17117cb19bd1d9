# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is found by a field now and was found by a name before."""


def migrate(cr, version):
    """Tie signed orders, skipped steps and to-dos to what they belong to."""
    _tie_signed_orders(cr)
    _tie_skipped_steps(cr)
    _tie_quote_activities(cr)


def _tie_signed_orders(cr):
    """Signed orders at onboarding projects tell prices: they leave the chatter.

    Their copies get the field that says who may read them.
    """
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


def _tie_skipped_steps(cr):
    """Steps left out because of a signed order come back when it is cancelled."""
    cr.execute(
        """
        UPDATE saas_renewal_step_log AS log
           SET order_id = signed.id
          FROM saas_renewal AS renewal, saas_renewal_step AS step,
               sale_order AS signed
         WHERE renewal.id = log.renewal_id
           AND step.id = log.step_id
           AND step.action IN ('quote', 'remind')
           AND log.result = 'skipped'
           AND log.order_id IS NULL
           AND signed.saas_amended_subscription_id = renewal.subscription_id
           AND signed.name = ANY(string_to_array(log.note, ' '))
        """
    )


def _tie_quote_activities(cr):
    """To-dos to send a quotation are done when it is sent."""
    cr.execute(
        """
        UPDATE saas_renewal AS renewal
           SET quote_activity_id = activity.id
          FROM sale_order, mail_activity AS activity
         WHERE renewal.outcome = 'open'
           AND renewal.quote_activity_id IS NULL
           AND sale_order.id = renewal.order_id
           AND sale_order.state = 'draft'
           AND activity.active
           AND strpos(activity.summary, sale_order.name) > 0
           AND (
               (activity.res_model = 'saas.renewal'
                AND activity.res_id = renewal.id)
               OR (activity.res_model = 'crm.lead'
                   AND activity.res_id = renewal.lead_id)
           )
        """
    )
