import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_handover_ready", {
    steps: () => [
        {
            content: "open the handover of the opportunity",
            trigger: "button[name=action_open_saas_handover]",
            run: "click",
        },
        {
            content: "something is missing",
            trigger: ".alert-warning[name=missing]",
        },
        {
            content: "what was promised",
            trigger: ".o_field_widget[name=scope] textarea",
            run: "edit Two sites, data of three years",
        },
        {
            content: "hand it over",
            trigger: "button[name=action_ready]",
            run: "click",
        },
        {
            content: "it is ready",
            trigger: ".o_statusbar_status button[aria-checked=true]:contains(Ready)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_milestone_bill", {
    steps: () => [
        {
            content: "bill the milestone that was reached",
            trigger: ".o_data_row:contains(Kick-off) button[name=action_saas_bill]",
            run: "click",
        },
        {
            content: "the draft is there",
            trigger:
                ".o_form_view .o_statusbar_status button[aria-checked=true]:contains(Draft)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_onboarding_go_live", {
    steps: () => [
        {
            content: "go live",
            trigger: "button[name=action_saas_go_live]",
            run: "click",
        },
        {
            content: "yes",
            trigger: ".modal footer .btn-primary",
            run: "click",
        },
        {
            content: "it is live",
            trigger: ".o_form_view:not(:has(button[name=action_saas_go_live]))",
        },
    ],
});
