// License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_usage_watch", {
    steps: () => [
        {
            content: "What is used now",
            trigger: ".o_notebook_headers a[name=usage]",
            run: "click",
        },
        {
            content: "130 calls of the running period",
            trigger:
                ".o_field_widget[name=usage_html] .o_saas_usage:contains(API calls):contains(130)",
        },
        {
            content: "cost 1.50 so far",
            trigger: ".o_saas_usage:contains(API calls) .fw-bold:contains(1.50)",
        },
        {
            content: "on one day",
            trigger: ".o_saas_usage:contains(API calls) .bg-primary[title*=': 130']",
        },
        {
            content: "See the events",
            trigger: ".tab-pane.active button[name=action_view_usage]",
            run: "click",
        },
        {
            content: "Drawn by day",
            trigger: ".o_graph_view canvas",
        },
        {
            content: "One by one",
            trigger: ".o_switch_view.o_list",
            run: "click",
        },
        {
            content: "All of them",
            trigger: ".o_list_view .o_data_row:contains(client-1-now)",
        },
        {
            content: "They are counted",
            trigger: ".o_pager_limit:contains(130)",
        },
        {
            content: "Back to the subscription",
            trigger: ".o_back_button, .breadcrumb-item.o_back_button a",
            run: "click",
        },
        {
            content: "What stands out",
            trigger: "button[name=action_view_usage_alerts]",
            run: "click",
        },
        {
            content: "The threshold is reached",
            trigger:
                ".o_list_view .o_data_row:contains(Acme GmbH):contains(Many calls)",
        },
        {
            content: "As cards",
            trigger: ".o_switch_view.o_kanban",
            run: "click",
        },
        {
            content: "A card tells the same",
            trigger: ".o_kanban_record:contains(Acme GmbH):contains(130)",
            run: "click",
        },
        {
            content: "It is seen to",
            trigger: ".o_form_view button[name=action_done]",
            run: "click",
        },
        {
            content: "Done",
            trigger: ".o_statusbar_status .o_arrow_button_current[data-value=done]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_usage_run_preview", {
    steps: () => [
        {
            content: "Compute the preview",
            trigger: "button[name=action_compute]:contains(Preview)",
            run: "click",
        },
        {
            content: "See what would be charged",
            trigger: "button[name=action_view_charges]",
            run: "click",
        },
        {
            content: "620 calls, and what is behind them",
            trigger:
                ".o_data_row:contains(API calls):contains(22.40) button[name=action_drill_usage]",
            run: "click",
        },
        {
            content: "The second tier",
            trigger:
                ".o_field_widget[name=tier_ids] .o_data_row:contains(400):contains(20.00)",
        },
        {
            content: "Back to the charges",
            trigger: ".o_back_button, .breadcrumb-item.o_back_button a",
            run: "click",
        },
        {
            content: "They are there",
            trigger: ".o_list_view .o_data_row:contains(API calls)",
        },
        {
            content: "Back to the run",
            trigger: ".o_back_button, .breadcrumb-item.o_back_button a",
            run: "click",
        },
        {
            content: "Review it",
            trigger: "button[name=action_review]",
            run: "click",
        },
        {
            content: "It waits for somebody else",
            trigger: ".alert:contains(Waiting for approval)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_usage_run_post", {
    steps: () => [
        {
            content: "Post the approved run",
            trigger: "button[name=action_post]",
            run: "click",
        },
        {
            content: "Jobs do",
            trigger: ".o_saas_progress_text:contains(0 posted, 0 failed, 1 left)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_usage_run_invoice", {
    steps: () => [
        {
            content: "All is posted",
            trigger: ".o_saas_progress_text:contains(1 posted, 0 failed, 0 left)",
        },
        {
            content: "Its invoice",
            trigger: "button[name=action_view_invoices]",
            run: "click",
        },
        {
            content: "Of the customer",
            trigger:
                ".o_list_view .o_data_row:contains(522.40) td[name=invoice_partner_display_name]:contains(/\\w/)",
            run: "click",
        },
        {
            content: "The usage behind a line",
            trigger:
                ".o_field_widget[name=invoice_line_ids] .o_data_row:contains(API calls) button[name=action_drill_saas_usage]",
            run: "click",
        },
        {
            content: "620 calls cost 22.40",
            trigger: ".o_field_widget[name=amount]:contains(22.40)",
        },
    ],
});
