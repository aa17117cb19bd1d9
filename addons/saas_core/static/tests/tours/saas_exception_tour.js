// License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

registry.category("web_tour.tours").add("saas_core_exception_worklist", {
    steps: () => [
        stepUtils.showAppsMenuItem(),
        {
            content: "open the application",
            trigger: ".o_app[data-menu-xmlid='saas_core.menu_root']",
            run: "click",
        },
        {
            trigger: "button[data-menu-xmlid='saas_core.menu_operations']",
            run: "click",
        },
        {
            content: "open the worklist",
            trigger: "a[data-menu-xmlid='saas_core.saas_exception_menu']",
            run: "click",
        },
        {
            content: "open the critical exception",
            trigger: ".o_data_row:contains('retry me') td[name='name']",
            run: "click",
        },
        {
            trigger: "button[name='action_assign_to_me']",
            run: "click",
        },
        {
            content: "wait until it is mine",
            trigger: ".o_form_view:not(:has(button[name='action_assign_to_me']))",
        },
        {
            trigger: "button[name='action_retry']",
            run: "click",
        },
        {
            content: "it is resolved",
            trigger: "button[name='action_reopen']",
        },
        {
            content: "back to the worklist",
            trigger: ".o_breadcrumb a:contains('Exceptions')",
            run: "click",
        },
        {
            content: "the resolved one is gone from the open ones",
            trigger: ".o_list_view:not(:contains('retry me'))",
        },
        {
            trigger: ".o_data_row:contains('ignore me') td[name='name']",
            run: "click",
        },
        {
            trigger: "button[name='action_ignore']",
            run: "click",
        },
        {
            content: "say why",
            trigger: ".modal div[name='reason'] textarea",
            run: "edit Only a tour",
        },
        {
            trigger: ".modal button[name='action_confirm']",
            run: "click",
        },
        {
            content: "it is ignored",
            trigger: "button[name='action_reopen']",
        },
    ],
});
