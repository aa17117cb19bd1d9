# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was agreed before amendments existed is what their terms are folded from."""


def migrate(cr, version):
    """Fill the base of lines and subscriptions that are older than amendments."""
    cr.execute(
        """
        UPDATE saas_subscription_line
           SET root_id = id, base_date_end = date_end
         WHERE root_id IS NULL
        """
    )
    cr.execute(
        """
        UPDATE saas_subscription
           SET initial_term_end = term_end, initial_date_end = date_end
         WHERE initial_term_end IS NULL AND initial_date_end IS NULL
        """
    )
