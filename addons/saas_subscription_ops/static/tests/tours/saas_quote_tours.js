import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_quote_value", {
    steps: () => [
        {
            content: "the plan's term is proposed",
            trigger: ".o_field_widget[name=saas_term_months] input:value(12)",
        },
        {
            content: "three years",
            trigger: ".o_field_widget[name=saas_term_months] input",
            run: "edit 36",
        },
        {
            content: "a coupon",
            trigger: ".o_field_widget[name=saas_coupon_id] input",
            run: "edit TOUR10",
        },
        {
            content: "which can be granted",
            trigger: ".ui-autocomplete > li > a:contains(TOUR10)",
            run: "click",
        },
        {
            content: "the page of the subscription",
            trigger: ".o_notebook a[name=saas_subscription]",
            run: "click",
        },
        {
            content: "a price for the second year",
            trigger:
                ".o_field_widget[name=saas_ramp_ids] .o_field_x2many_list_row_add a",
            run: "click",
        },
        {
            content: "twenty percent more",
            trigger: ".o_field_widget[name=percent] input",
            run: "edit 120",
        },
        {
            content: "save it",
            trigger: ".o_form_button_save",
            run: "click",
        },
        {
            content: "wait for it",
            trigger: ".o_form_saved",
        },
        {
            content: "year by year",
            trigger: ".o_field_widget[name=saas_value_table] td:contains(Year 3)",
        },
        {
            content: "with the higher price",
            trigger: ".o_field_widget[name=saas_value_table] td:contains(600.00)",
        },
        {
            content: "back to the lines",
            trigger: ".o_notebook a[name=order_lines]",
            run: "click",
        },
        {
            content: "charged per month",
            trigger: ".o_data_row td[name=saas_recurrence_label]:contains(per month)",
        },
        {
            content: "MRR less ten percent",
            trigger: ".o_field_widget[name=saas_mrr]:contains(450.00)",
        },
        {
            content: "contract value: 12 x 450 + 24 x 540",
            trigger: ".o_field_widget[name=saas_tcv]:contains(18,360.00)",
        },
    ],
});
