/* License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl). */
import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_helpdesk_sla_ticket_tour", {
    steps: () => [
        {
            content: "the worklist shows the ticket's clock",
            trigger: ".o_data_row .o_data_cell[name=ticket_id]:contains('Tour ticket')",
            run: "click",
        },
        {
            content: "the clock says what holds",
            trigger: ".o_form_view [name=target_text]:contains('60 minutes')",
        },
        {
            content: "go on to the ticket",
            trigger: ".o_field_widget[name=ticket_id] a",
            run: "click",
        },
        {
            content: "the agent sees whose ticket it is",
            trigger: ".o_field_widget[name=saas_support_tier_id]:contains('Premium')",
        },
        {
            content: "and why this policy applies",
            trigger:
                ".o_field_widget[name=saas_policy_reason]:contains('tier Premium')",
        },
        {
            content: "the status is visible",
            trigger: ".o_field_widget[name=saas_sla_status]:contains('On track')",
        },
        {
            content: "open the SLA page",
            trigger: ".o_notebook .nav-link:contains('SLA')",
            run: "click",
        },
        {
            content: "both clocks are there",
            trigger:
                ".o_field_widget[name=saas_clock_ids] .o_data_row:contains('Resolution')",
        },
        {
            content: "and the log they are computed from",
            trigger:
                ".o_field_widget[name=saas_sla_event_ids] .o_data_row:contains('Created')",
        },
        {
            content: "solve the ticket",
            trigger: ".o_statusbar_status button:not(.d-none):contains('In Progress')",
            run: "click",
        },
        {
            content: "the stage change is in the log",
            trigger:
                ".o_field_widget[name=saas_sla_event_ids] .o_data_row:contains('In Progress')",
        },
    ],
});
