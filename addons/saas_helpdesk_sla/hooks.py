# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Installation hooks."""


def post_init_hook(env):
    """Give the shipped stages their meaning and start the log of open tickets.

    :param env: environment of the superuser
    """
    env["helpdesk.ticket.stage"]._saas_preset_meanings()
    env["helpdesk.ticket"]._saas_adopt_open_tickets()


def uninstall_hook(env):
    """Give back what belongs to other modules.

    :param env: environment of the superuser, the tables still exist
    """
    # As helpdesk_mgmt ships it; its next upgrade would do the same.
    access = env.ref(
        "helpdesk_mgmt.access_helpdesk_ticket_stage_public", raise_if_not_found=False
    )
    if access:
        access.perm_write = True
    # Policies in use are protected; what uses them goes with the module. By SQL: there
    # may be very many rows.
    env.cr.execute("UPDATE helpdesk_ticket SET saas_policy_id = NULL")
    env.cr.execute("DELETE FROM saas_sla_clock")
    for group, implied in (
        ("group_saas_core_support_agent", "group_helpdesk_user"),
        ("group_saas_core_support_lead", "group_helpdesk_manager"),
    ):
        role = env.ref(f"saas_core.{group}", raise_if_not_found=False)
        helpdesk = env.ref(f"helpdesk_mgmt.{implied}", raise_if_not_found=False)
        if role and helpdesk:
            role.implied_ids -= helpdesk
