import {registry} from "@web/core/registry";

function chooseFile(content) {
    return function () {
        const input = document.querySelector(".o_saas_upload input[type=file]");
        const data = new DataTransfer();
        data.items.add(new File([content], "agreement.pdf"));
        input.files = data.files;
    };
}

registry.category("web_tour.tours").add("saas_onboarding_portal_upload", {
    steps: () => [
        {
            content: "open the onboarding",
            trigger: ".o_saas_onboardings a:contains(Acme)",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the plan is shown",
            trigger: ".o_saas_plan:contains(Go-live)",
        },
        {
            content: "choose a file",
            trigger: ".o_saas_upload input[type=file]",
            run: chooseFile("%PDF-1.7 first try"),
        },
        {
            content: "send it",
            trigger: ".o_saas_upload button",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "it arrived",
            trigger: ".o_saas_done:contains(arrived)",
        },
        {
            content: "do a task",
            trigger: ".o_saas_task_done",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the task is done",
            trigger: ".o_saas_done:contains(task is done)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_onboarding_document_refuse", {
    steps: () => [
        {
            content: "the version is there",
            trigger: ".o_field_widget[name=version_ids]:contains(agreement.pdf)",
        },
        {
            content: "refuse it",
            trigger: "button[name=action_refuse]",
            run: "click",
        },
        {
            content: "why",
            trigger: ".modal .o_field_widget[name=reason] textarea",
            run: "edit Page 3 is not signed",
        },
        {
            content: "confirm",
            trigger: ".modal footer button[name=action_confirm]:visible",
            run: "click",
        },
        {
            content: "it is refused",
            trigger: ".o_form_view .alert-danger:contains(Page 3 is not signed)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_onboarding_portal_again", {
    steps: () => [
        {
            content: "the reason is shown",
            trigger: ".o_saas_reason:contains(Page 3 is not signed)",
        },
        {
            content: "choose another file",
            trigger: ".o_saas_upload input[type=file]",
            run: chooseFile("%PDF-1.7 signed on every page"),
        },
        {
            content: "send it",
            trigger: ".o_saas_upload button",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "it arrived",
            trigger: ".o_saas_done:contains(arrived)",
        },
    ],
});

registry.category("web_tour.tours").add("saas_onboarding_document_accept", {
    steps: () => [
        {
            content: "accept it",
            trigger: "button[name=action_accept]",
            run: "click",
        },
        {
            content: "it is accepted",
            trigger: ".o_statusbar_status button[aria-checked=true]:contains(Accepted)",
        },
    ],
});
