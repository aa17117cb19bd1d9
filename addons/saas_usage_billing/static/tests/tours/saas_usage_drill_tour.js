// License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_usage_drill_tour", {
    steps: () => [
        {
            content: "What is behind the charge",
            trigger: ".o_form_view button[name=action_drill_usage]",
            run: "click",
        },
        {
            content: "620 calls cost 22.40",
            trigger: ".o_field_widget[name=amount]:contains(22.40)",
        },
        {
            content: "The second tier",
            trigger:
                ".o_field_widget[name=tier_ids] .o_data_row:contains(400):contains(20.00)",
        },
        {
            content: "By day",
            trigger: ".o_notebook_headers a[name=days]",
            run: "click",
        },
        {
            content: "The 11th of March",
            trigger:
                ".o_field_widget[name=day_ids] .o_data_row:contains(140) button[name=action_view_events]",
            run: "click",
        },
        {
            content: "Its events",
            trigger: ".o_list_view .o_data_row:contains(client-1)",
        },
        {
            content: "All of them",
            trigger: ".o_pager_limit:contains(140)",
        },
        {
            content: "Back to the charge",
            trigger: ".o_breadcrumb a:contains(03/01/2026)",
            run: "click",
        },
        {
            content: "By dimension",
            trigger: ".o_notebook_headers a[name=groups]",
            run: "click",
        },
        {
            content: "The American region",
            trigger:
                ".o_field_widget[name=group_ids] .o_data_row:contains(Region us):contains(5.06)",
        },
        {
            content: "As a chart",
            trigger: "button[name=action_view_days]",
            run: "click",
        },
        {
            content: "It is drawn",
            trigger: ".o_graph_view canvas",
        },
    ],
});
