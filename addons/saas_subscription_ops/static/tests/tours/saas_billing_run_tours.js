import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_quote_confirm", {
    steps: () => [
        {
            content: "the quote shows its plan",
            trigger: ".o_field_widget[name=saas_plan_id]",
        },
        {
            content: "confirm the quotation",
            trigger: "button[name=action_confirm]",
            run: "click",
        },
        {
            content: "the subscription is there",
            trigger: "button[name=action_view_saas_subscriptions]",
            run: "click",
        },
        {
            content: "it is active",
            trigger: ".o_statusbar_status .o_arrow_button_current[data-value=active]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_prepare", {
    steps: () => [
        {
            content: "a new run",
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            content: "compute the preview",
            trigger: "button[name=action_compute]:contains(Preview)",
            run: "click",
        },
        {
            content: "one subscription is ready",
            trigger: ".o_field_widget[name=line_ids] .o_data_row:contains(Acme)",
        },
        {
            content: "review it",
            trigger: "button[name=action_review]",
            run: "click",
        },
        {
            content: "it waits for somebody else",
            trigger: ".alert:contains(Waiting for approval)",
        },
        {
            content: "and offers no approval to the preparer",
            trigger: ".o_form_view:not(:has(button[name=action_approve]))",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_approve", {
    steps: () => [
        {
            content: "approve",
            trigger: "button[name=action_approve]",
            run: "click",
        },
        {
            content: "confirm",
            trigger: ".modal-footer .btn-primary",
            run: "click",
        },
        {
            content: "approved",
            trigger: ".o_statusbar_status .o_arrow_button_current[data-value=approved]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_decide", {
    steps: () => [
        {
            content: "open the subscriptions of the run",
            trigger: "button[name=action_view_lines]",
            run: "click",
        },
        {
            content: "choose all",
            trigger: ".o_list_view thead .o_list_record_selector input",
            run: "click",
        },
        {
            content: "hold them together",
            trigger: ".o_control_panel button[name=action_decide]:contains(Hold)",
            run: "click",
        },
        {
            content: "one comment for all",
            trigger: ".modal .o_field_widget[name=comment] input",
            run: "edit Waiting for the new price list",
        },
        {
            content: "decide",
            trigger: ".modal-footer button[name=action_confirm]",
            run: "click",
        },
        {
            content: "both are held",
            trigger: ".o_list_view tbody:not(:has(.o_field_badge:contains(Ready)))",
        },
        {
            content: "release one of them",
            trigger: ".o_data_row:first button[name=action_decide]:contains(Release)",
            run: "click",
        },
        {
            content: "say why",
            trigger: ".modal .o_field_widget[name=comment] input",
            run: "edit Price confirmed",
        },
        {
            content: "decide",
            trigger: ".modal-footer button[name=action_confirm]",
            run: "click",
        },
        {
            content: "it is ready",
            trigger:
                ".o_data_row:contains(Price confirmed) .o_field_badge:contains(Ready)",
        },
        {
            content: "see its charges",
            trigger:
                ".o_data_row:contains(Price confirmed) button[name=action_view_charges]",
            run: "click",
        },
        {
            content: "every amount says why",
            trigger: ".o_data_row td[name=reason]:contains(New period)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_refuse", {
    steps: () => [
        {
            content: "refuse",
            trigger: "button[name=action_ask_refusal]",
            run: "click",
        },
        {
            content: "say why",
            trigger: ".modal .o_field_widget[name=reason] textarea",
            run: "edit Acme is in dispute",
        },
        {
            content: "send it back",
            trigger: ".modal-footer button[name=action_confirm]",
            run: "click",
        },
        {
            content: "the reason is there",
            trigger: ".alert-warning:contains(Acme is in dispute)",
        },
        {
            content: "and the run is a preview again",
            trigger: ".o_statusbar_status .o_arrow_button_current[data-value=computed]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_pause", {
    steps: () => [
        {
            content: "post the approved run",
            trigger: "button[name=action_post]",
            run: "click",
        },
        {
            content: "the progress says what is left",
            trigger: ".o_saas_progress_text:contains(0 posted, 0 failed, 2 left)",
        },
        {
            content: "pause",
            trigger: "button[name=action_pause]",
            run: "click",
        },
        {
            content: "it is paused",
            trigger: ".o_saas_billing_run_progress .badge:contains(Paused)",
        },
        {
            content: "go on",
            trigger: "button[name=action_resume]:contains(Resume)",
            run: "click",
        },
        {
            content: "it is not paused any more",
            trigger: "button[name=action_pause]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_run_done", {
    steps: () => [
        {
            content: "all is posted",
            trigger: ".o_saas_progress_text:contains(2 posted, 0 failed, 0 left)",
        },
        {
            content: "all of it",
            trigger: ".o_saas_progress_percent:contains(100 %)",
        },
        {
            content: "the report is offered",
            trigger: "button[name=action_print_report]",
        },
        {
            content: "as a workbook too",
            trigger: "button[name=action_download_report]",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_schedule_write", {
    steps: () => [
        {
            content: "a new schedule",
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            content: "its name",
            trigger: ".o_field_widget[name=name] input",
            run: "edit Month start",
        },
        {
            content: "plain runs are posted alone",
            trigger: ".o_field_widget[name=auto_approve] input",
            run: "click",
        },
        {
            content: "save",
            trigger: ".o_form_button_save",
            run: "click",
        },
        {
            content: "it has to be approved",
            trigger: ".alert-warning:contains(Not approved)",
        },
        {
            content: "by somebody else",
            trigger: ".o_form_view:not(:has(button[name=action_approve]))",
        },
    ],
});

registry.category("web_tour.tours").add("saas_billing_schedule_approve", {
    steps: () => [
        {
            content: "approve the schedule",
            trigger: "button[name=action_approve]",
            run: "click",
        },
        {
            content: "confirm",
            trigger: ".modal-footer .btn-primary",
            run: "click",
        },
        {
            content: "it is approved",
            trigger: ".alert-success:contains(Any change of this schedule ends it)",
        },
    ],
});
