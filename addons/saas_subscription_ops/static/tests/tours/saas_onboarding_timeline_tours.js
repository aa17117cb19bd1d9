import {registry} from "@web/core/registry";
import {rpc} from "@web/core/network/rpc";

const rows = ".o_saas_timeline_row";

/** Compare what is drawn with what the server says, row by row. */
async function compare(filters) {
    const data = await rpc("/web/dataset/call_kw/project.project/saas_get_timeline", {
        model: "project.project",
        method: "saas_get_timeline",
        args: [filters],
        kwargs: {},
    });
    const wanted = data.phases.flatMap((phase) =>
        phase.projects.map((row) => `${row.id} ${row.health} ${row.milestones.length}`)
    );
    const drawn = [...document.querySelectorAll(rows)].map((row) => {
        const marks = row.querySelectorAll(".o_saas_timeline_mark").length;
        return `${row.dataset.project} ${row.dataset.health} ${marks}`;
    });
    if (!wanted.length || wanted.join() !== drawn.join()) {
        throw new Error(`drawn: ${drawn}; the server says: ${wanted}`);
    }
}

registry.category("web_tour.tours").add("saas_onboarding_timeline", {
    steps: () => [
        {
            content: "both projects are drawn as the server says",
            trigger: `${rows}:contains(Acme) .o_saas_timeline_hatched`,
            run: () => compare({}),
        },
        {
            content: "an overdue milestone and today's line",
            trigger: `${rows}:contains(Acme):has(.o_saas_timeline_mark_overdue)`,
        },
        {
            content: "only my projects",
            trigger: ".o_saas_timeline_mine",
            run: "click",
        },
        {
            content: "one is left",
            trigger: `.o_saas_timeline:not(:has(${rows}:contains(Beta)))`,
            run: () => compare({mine: true}),
        },
        {
            content: "of those on track",
            trigger: "button[data-health=on_track]",
            run: "click",
        },
        {
            content: "there is none, and the page says what to do",
            trigger: ".o_saas_timeline_empty:contains(Take a filter away)",
        },
        {
            content: "late ones instead",
            trigger: "button[data-health=late]",
            run: "click",
        },
        {
            content: "by quarters",
            trigger: `.o_saas_timeline:has(${rows}) .o_saas_timeline_quarter`,
            run: "click",
        },
        {
            content: "the quarter is written above",
            trigger: ".o_saas_timeline_quarter.active",
            run: () => compare({mine: true, health: "late"}),
        },
        {
            content: "open the project",
            trigger: `${rows}:contains(Acme)`,
            run: "click",
        },
        {
            content: "its form",
            trigger: ".o_form_view .o_form_project_project, .o_form_project_project",
        },
    ],
});
