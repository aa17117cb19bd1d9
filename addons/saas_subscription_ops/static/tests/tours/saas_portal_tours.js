import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("saas_portal_sign", {
    steps: () => [
        {
            content: "sign",
            trigger: "#o_sale_portal_content, #portal_sale_content",
        },
        {
            content: "accept and sign",
            trigger: "a:contains(Sign)",
            run: "click",
        },
        {
            content: "the name",
            trigger: ".modal .o_web_sign_name_and_signature input",
            run: "fill Jane Buyer",
        },
        {
            content: "the signature is drawn",
            trigger: ".modal canvas.o_web_sign_signature",
            run: "canvasNotEmpty",
        },
        {
            content: "send",
            trigger: ".modal .o_portal_sign_submit:enabled",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "it is signed",
            trigger: ".alert-success:contains(Thank You)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_portal_self_service", {
    steps: () => [
        {
            content: "open the subscription",
            trigger: ".o_portal_my_doc_table a:contains(SUB)",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "what is invoiced next",
            trigger: ".o_saas_next_invoice .o_saas_next_total",
        },
        {
            content: "change the quantity",
            trigger: ".o_saas_change",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "five of them",
            trigger: ".o_saas_change_form input[type=number]",
            run: "edit 5",
        },
        {
            content: "see what it costs",
            trigger: ".o_saas_preview_button",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the price is shown before",
            trigger: ".o_saas_effect .o_saas_effect_net",
        },
        {
            content: "do it",
            trigger: ".o_saas_confirm_button:contains(Change it)",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "done",
            trigger: ".o_saas_done",
        },
        {
            content: "five are in force",
            trigger: ".o_saas_lines tbody tr td:nth-child(2):contains(5)",
        },
        {
            content: "cancel",
            trigger: ".o_saas_cancel",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "why",
            trigger: "select[name=reason_id]",
            run: "selectByLabel Too expensive",
        },
        {
            content: "in own words",
            trigger: "textarea[name=note]",
            run: "edit We buy less this year",
        },
        {
            content: "go on",
            trigger: ".o_saas_preview_button",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "cancel it",
            trigger: ".o_saas_effect + button, .o_saas_confirm_button",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the end is shown",
            trigger: ".o_saas_ends",
        },
        {
            content: "take it back",
            trigger: ".o_saas_amendments .o_saas_undo",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "it goes on",
            trigger: ".o_saas_done:contains(taken back)",
        },
        {
            content: "no end any more",
            trigger: "body:not(:has(.o_saas_ends))",
        },
    ],
});
