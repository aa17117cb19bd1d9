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
