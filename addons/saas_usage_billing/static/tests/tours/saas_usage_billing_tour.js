// License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

function go(menu) {
    return [
        {
            content: "Open the usage menu",
            trigger: "button[data-menu-xmlid='saas_usage_billing.menu_usage']",
            run: "click",
        },
        {
            content: `Open ${menu}`,
            trigger: `a[data-menu-xmlid='saas_usage_billing.${menu}']`,
            run: "click",
        },
    ];
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
        stepUtils.showAppsMenuItem(),
        {
            content: "Open the application",
            trigger: ".o_app[data-menu-xmlid='saas_core.menu_root']",
            run: "click",
        },
        ...go("saas_meter_menu"),
        {
            content: "New meter",
            trigger: ".o_control_panel:contains(Meters) .o_list_button_add",
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
        ...go("saas_usage_price_menu"),
        {
            content: "New price",
            trigger: ".o_control_panel:contains(Usage Prices) .o_list_button_add",
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
            trigger: ".o_field_widget[name=example_quantity] input",
            run: "click",
        },
        {
            content: "5,432 units cost 100 x 0.50 + 5,332 x 0.25",
            trigger: ".o_field_widget[name=example]:contains(1,383.00)",
        },
        ...save(),
        ...go("saas_usage_quarantine_menu"),
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
            content: "Account of the subject",
            trigger: ".modal .o_field_widget[name=partner_id] input",
            run: "edit Acme",
        },
        {
            content: "Choose it",
            trigger: ".modal .o-autocomplete--dropdown-item:contains(Acme GmbH)",
            run: "click",
        },
        {
            content: "Save the mapping",
            trigger: ".modal .o_form_button_save",
            run: "click",
        },
        {
            content: "Back to the list",
            trigger: "body:not(:has(.modal)) .o_breadcrumb a:contains(Quarantine)",
            run: "click",
        },
        {
            content: "The group is still open",
            trigger: ".o_list_view .o_data_row:contains(tour-client)",
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
