import {registry} from "@web/core/registry";

const dialog = ".modal .o_form_view";

function effect(content, trigger) {
    return {content, trigger: `${dialog} .o_saas_preview ${trigger}`};
}

registry.category("web_tour.tours").add("saas_subscription_upgrade", {
    steps: () => [
        {
            content: "open the dialog of an upgrade",
            trigger: ".o_statusbar_buttons button:contains(Upgrade)",
            run: "click",
        },
        {
            content: "the line in force is there",
            trigger: `${dialog} .o_data_row td[name=product_id]:first`,
            run: "click",
        },
        {
            content: "choose the new product",
            trigger: `${dialog} .o_data_row .o_field_widget[name=product_id] input`,
            run: "edit Platform Pro",
        },
        {
            content: "take it",
            trigger: ".o-autocomplete--dropdown-item:contains(Platform Pro)",
            run: "click",
        },
        effect("unused time is given back", "td.text-danger"),
        effect("and the new product charged", "tfoot:contains(Charged)"),
        {
            content: "confirm",
            trigger: ".modal-footer button[name=action_confirm_dialog]",
            run: "click",
        },
        {
            content: "the new terms are in force",
            trigger:
                "body:not(:has(.modal)) .o_field_widget[name=present_line_ids] .o_data_row:contains(Platform Pro)",
        },
        {
            content: "look at the timeline",
            trigger: "a[name=timeline]",
            run: "click",
        },
        {
            content: "it says what changed",
            trigger:
                ".o_field_widget[name=timeline_line_ids] .o_data_row:contains(Platform → Platform Pro)",
        },
        {
            content: "what is invoiced next",
            trigger: "button[name=action_preview_next_invoice]",
            run: "click",
        },
        {
            content: "the correction and the new charge",
            trigger: ".modal .o_saas_next_invoice:contains(Correction)",
        },
        {
            content: "close",
            trigger: ".modal-footer button:contains(Close)",
            run: "click",
        },
        {
            content: "closed",
            trigger: "body:not(:has(.modal))",
        },
    ],
});

registry.category("web_tour.tours").add("saas_subscription_pause", {
    steps: () => [
        {
            content: "open the dialog of a pause",
            trigger: ".o_statusbar_buttons button:contains(Pause)",
            run: "click",
        },
        effect("paused days are given back", ".o_saas_preview_net.text-danger"),
        {
            content: "confirm",
            trigger: ".modal-footer button[name=action_confirm_dialog]",
            run: "click",
        },
        {
            content: "it is paused",
            trigger: ".alert-warning:contains(Paused since)",
        },
        {
            content: "resume on a later day",
            trigger: ".o_statusbar_buttons button:contains(Resume)",
            run: "click",
        },
        {
            content: "today is refused, and why",
            trigger: ".modal .o_saas_preview_problem:contains(resume on a later day)",
        },
        {
            content: "with the next billing period",
            trigger: ".modal .o_radio_item:contains(next billing period) input",
            run: "click",
        },
        effect("it is charged again", "thead"),
        {
            content: "confirm",
            trigger: ".modal-footer button[name=action_confirm_dialog]",
            run: "click",
        },
        {
            content: "the day is shown",
            trigger: ".alert-warning:contains(Resumes on)",
        },
        {
            content: "and can be taken back",
            trigger: ".alert-info button[name=action_undo_next_amendment]",
            run: "click",
        },
        {
            content: "yes",
            trigger: ".modal-footer .btn-primary",
            run: "click",
        },
        {
            content: "until resumed again",
            trigger: ".alert-warning:contains(until resumed)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_subscription_cancel", {
    steps: () => [
        {
            content: "open the dialog of a cancellation",
            trigger: ".o_statusbar_buttons button:contains(Cancel)",
            run: "click",
        },
        {
            content: "at the end of the term nothing is given back",
            trigger: `${dialog} .o_saas_preview:contains(Nothing that is due now)`,
        },
        {
            content: "now",
            trigger: ".modal .o_radio_item:contains(Now) input",
            run: "click",
        },
        effect("unused time is given back", ".o_saas_preview_net.text-danger"),
        {
            content: "why",
            trigger: ".modal .o_field_widget[name=reason_id] input",
            run: "edit Too expensive",
        },
        {
            content: "take it",
            trigger: ".o-autocomplete--dropdown-item:contains(Too expensive)",
            run: "click",
        },
        {
            content: "confirm",
            trigger: ".modal-footer button[name=action_confirm_dialog]",
            run: "click",
        },
        {
            content: "it has ended",
            trigger: ".ribbon:contains(Cancelled)",
        },
        {
            content: "no more actions",
            trigger: ".o_form_view:not(:has(button:contains(Upgrade)))",
        },
    ],
});
