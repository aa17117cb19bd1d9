import {registry} from "@web/core/registry";

function send() {
    return [
        {
            content: "send it",
            trigger:
                ".o_statusbar_buttons button[name=action_quotation_send]:contains(Send)",
            run: "click",
        },
        {
            content: "by mail, to the customer",
            trigger: ".modal .o_mail_send:enabled",
            run: "click",
        },
        {
            content: "it is sent",
            trigger:
                "body:not(:has(.modal)) .o_statusbar_status .o_arrow_button_current:contains(Quotation Sent)",
        },
    ];
}

registry.category("web_tour.tours").add("saas_renewal_quotes", {
    steps: () => [
        {
            content: "the board, by month of the term end",
            trigger: ".o_kanban_renderer.o_kanban_grouped .o_column_progress",
        },
        {
            content: "a contract that would expire",
            trigger: ".o_kanban_record:contains(RENEW-A)",
            run: "click",
        },
        {
            content: "the steps made a quotation",
            trigger: "button[name=action_view_order]",
            run: "click",
        },
        ...send(),
        {
            content: "back to the board",
            trigger: ".o_control_panel .breadcrumb-item a:contains(Renewals)",
            run: "click",
        },
        {
            content: "a contract that renews by itself, at another price",
            trigger: ".o_kanban_record:contains(RENEW-B)",
            run: "click",
        },
        {
            content: "the reasons",
            trigger: ".o_form_view:contains(RENEW-B) a[name=reasons]",
            run: "click",
        },
        {
            content: "why it is likely",
            trigger: ".o_field_widget[name=signal_html]:contains(Renews by itself)",
        },
        {
            content: "make the quotation",
            trigger: ".o_statusbar_buttons button[name=action_make_quote]",
            run: "click",
        },
        {
            content: "with the uplift of the plan",
            trigger: ".o_data_row td[name=price_unit]:contains(550.00)",
        },
        ...send(),
    ],
});

registry.category("web_tour.tours").add("saas_renewal_decided", {
    steps: () => [
        {
            content: "it is renewed",
            trigger: ".ribbon:contains(Renewed)",
        },
        {
            content: "by signature",
            trigger: ".o_field_widget[name=decided_by]:contains(Signature)",
        },
        {
            content: "what was renewed",
            trigger: ".o_field_widget[name=amount_pure]:contains(6,000.00)",
        },
        {
            content: "and, apart from it, what came on top",
            trigger: ".o_field_widget[name=amount_expansion]:contains(600.00)",
        },
    ],
});
