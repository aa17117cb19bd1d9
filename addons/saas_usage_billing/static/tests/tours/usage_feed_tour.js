// License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import {inputFiles} from "@web/../tests/utils";
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

function start() {
    return [
        stepUtils.showAppsMenuItem(),
        {
            content: "Open the application",
            trigger: ".o_app[data-menu-xmlid='saas_core.menu_root']",
            run: "click",
        },
    ];
}

const ROWS = [
    "id;type;subject;time;bytes",
    "f1;test.request;client-1;2026-04-01T10:00:00Z;5",
    "f2;test.request;tour-nobody;2026-04-01T10:00:00Z;5",
];

registry.category("web_tour.tours").add("saas_usage_upload_tour", {
    steps: () => [
        ...start(),
        ...go("saas_usage_upload_menu"),
        {
            content: "New file",
            trigger: ".o_control_panel:contains(Usage Files) .o_list_button_add",
            run: "click",
        },
        {
            content: "Source",
            trigger: ".o_field_widget[name=source_id] input",
            run: "edit Web Log",
        },
        {
            content: "Choose it",
            trigger: ".o-autocomplete--dropdown-item:contains(Web Log)",
            run: "click",
        },
        {
            content: "Choose the file",
            trigger: ".o_field_widget[name=file]",
            run: async () => {
                const file = new File([ROWS.join("\n")], "tour.csv", {
                    type: "text/csv",
                });
                await inputFiles(".o_field_widget[name=file] .o_input_file", [file]);
            },
        },
        {
            content: "It is named by the file",
            trigger: ".o_field_widget[name=name] input:value(tour.csv)",
        },
        {
            content: "Check it",
            trigger: "button[name=action_check]:contains(Check)",
            run: "click",
        },
        {
            content: "One row is good, one is not",
            trigger:
                ".o_field_widget[name=preview_html]:contains(1 events would be stored)",
        },
        {
            content: "The bad one says why",
            trigger:
                ".o_field_widget[name=preview_html] .text-danger:contains(tour-nobody)",
        },
        {
            content: "Import it",
            trigger: "button[name=action_import]",
            run: "click",
        },
        {
            content: "A job does",
            trigger: ".o_statusbar_status .o_arrow_button_current:contains(Importing)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_usage_feed_tour", {
    steps: () => [
        ...start(),
        ...go("saas_usage_quarantine_menu"),
        {
            content: "What no mapping could read",
            trigger: ".o_group_header:contains(No mapping made an event of it)",
            run: "click",
        },
        {
            content: "Open it",
            trigger: ".o_data_row td[name=message_text]",
            run: "click",
        },
        {
            content: "Its mapping",
            trigger: "button[name=action_open_mapping]",
            run: "click",
        },
        {
            content: "The subject stands elsewhere",
            trigger: ".o_field_widget[name=subject_path] input",
            run: "edit tenant.name",
        },
        {
            content: "Look at the sample",
            trigger: ".o_field_widget[name=time_path] input",
            run: "click",
        },
        {
            content: "The sample shows at once what comes out",
            trigger: ".o_field_widget[name=sample_ids] .o_data_row:contains(client-1)",
        },
        {
            content: "Save",
            trigger: ".o_form_button_save",
            run: "click",
        },
        {
            content: "Saved",
            trigger: ".o_form_saved",
        },
        {
            content: "Test all samples",
            trigger: "button[name=action_test_samples]",
            run: "click",
        },
        {
            content: "They give what is expected",
            trigger: ".o_notification:contains(All 1 samples)",
        },
        {
            content: "Back to the event",
            trigger: ".o_back_button, .breadcrumb-item.o_back_button a",
            run: "click",
        },
        {
            content: "Replay",
            trigger: ".o_form_view button[name=action_replay]",
            run: "click",
        },
        {
            content: "It is stored",
            trigger: ".o_notification:contains(1 stored, 0 still quarantined)",
        },
    ],
});
