import {registry} from "@web/core/registry";

const ACTION = "/odoo/action-saas_usage_billing.";

function go(action) {
    return {
        content: `Open ${action}`,
        trigger: ".o_action_manager",
        run() {
            window.location = ACTION + action;
        },
        expectUnloadPage: true,
    };
}

function save() {
    return [
        {
            content: "Save",
            trigger: ".o_form_button_save",
            run: "click",
        },
        {
            content: "Saved",
            trigger: ".o_form_saved",
        },
    ];
}

registry.category("web_tour.tours").add("saas_usage_billing_tour", {
    steps: () => [
        {
            content: "The web client is there",
            trigger: ".o_main_navbar",
        },
        go("saas_meter_action"),
        {
            content: "New meter",
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            content: "Name the meter",
            trigger: ".o_field_widget[name=name] input",
            run: "edit Tour Calls",
        },
        {
            content: "Code",
            trigger: ".o_field_widget[name=code] input",
            run: "edit tour_calls",
        },
        {
            content: "Event type",
            trigger: ".o_field_widget[name=event_type] input",
            run: "edit tour.request",
        },
        ...save(),
        go("saas_usage_price_action"),
        {
            content: "New price",
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            content: "Product of the price",
            trigger: ".o_field_widget[name=product_tmpl_id] input",
            run: "edit API calls",
        },
        {
            content: "Choose it",
            trigger: ".o-autocomplete--dropdown-item:contains(API calls)",
            run: "click",
        },
        {
            content: "Name the price",
            trigger: ".o_field_widget[name=name] input",
            run: "edit Tour Price",
        },
        {
            content: "Graduated",
            trigger: ".o_field_widget[name=model] input",
            run: "click",
        },
        {
            content: "Choose graduated",
            trigger: ".o_select_menu_item:contains(Graduated)",
            run: "click",
        },
        {
            content: "First tier",
            trigger: ".o_field_x2many_list_row_add a",
            run: "click",
        },
        {
            content: "Up to 100",
            trigger: ".o_selected_row .o_field_widget[name=up_to] input",
            run: "edit 100",
        },
        {
            content: "at 0.50",
            trigger: ".o_selected_row .o_field_widget[name=unit_price] input",
            run: "edit 0.5",
        },
        {
            content: "Second tier",
            trigger: ".o_field_x2many_list_row_add a",
            run: "click",
        },
        {
            content: "at 0.25",
            trigger:
                ".o_data_row:nth-child(2).o_selected_row .o_field_widget[name=unit_price] input",
            run: "edit 0.25",
        },
        {
            content: "Look at the example",
            trigger: ".o_notebook_headers a[name=example]",
            run: "click",
        },
        {
            content: "5,432 units cost 100 x 0.50 + 5,332 x 0.25",
            trigger: ".o_field_widget[name=example]:contains(1,383.00)",
        },
        ...save(),
        go("saas_usage_quarantine_action"),
        {
            content: "Open the group of unknown subjects",
            trigger: ".o_group_header:contains(Unknown subject)",
            run: "click",
        },
        {
            content: "Open an event",
            trigger: ".o_data_row:contains(tour-client) td[name=subject]",
            run: "click",
        },
        {
            content: "Map its subject",
            trigger: "button[name=action_map_subject]",
            run: "click",
        },
        {
            content: "Subscription of the subject",
            trigger: ".modal .o_field_widget[name=subscription_id] input",
            run: "click",
        },
        {
            content: "The first one",
            trigger: ".modal .o-autocomplete--dropdown-item:first",
            run: "click",
        },
        {
            content: "Save the mapping",
            trigger: ".modal .o_form_button_save",
            run: "click",
        },
        {
            content: "Back in the list",
            trigger: "body:not(:has(.modal)) .o_back_button, body:not(:has(.modal)) .breadcrumb-item a",
            run: "click",
        },
        {
            content: "Open the group again",
            trigger: ".o_list_view",
        },
        {
            content: "Choose all",
            trigger: ".o_list_record_selector input",
            run: "click",
        },
        {
            content: "Replay",
            trigger: "button[name=action_replay]",
            run: "click",
        },
        {
            content: "All are stored",
            trigger: ".o_notification:contains(3 stored, 0 still quarantined)",
        },
    ],
});
