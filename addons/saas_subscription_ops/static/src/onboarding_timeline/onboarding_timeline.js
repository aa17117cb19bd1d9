import {
    Component,
    onMounted,
    onPatched,
    onWillStart,
    useRef,
    useState,
} from "@odoo/owl";
import {KeepLast} from "@web/core/utils/concurrency";
import {Layout} from "@web/search/layout";
import {_t} from "@web/core/l10n/translation";
import {formatDate} from "@web/core/l10n/dates";
import {registry} from "@web/core/registry";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {useService} from "@web/core/utils/hooks";

const {DateTime} = luxon;
/** Width of a day in pixels. */
const SCALES = {month: 14, quarter: 4};

function toDay(text) {
    return text ? DateTime.fromISO(text) : null;
}

/**
 * Onboarding projects over time: one row each, grouped by phase. The server decides
 * what is shown (`project.project.saas_get_timeline`), this only draws it.
 */
export class OnboardingTimeline extends Component {
    static template = "saas_subscription_ops.OnboardingTimeline";
    static components = {Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.keepLast = new KeepLast();
        this.scroller = useRef("scroller");
        this.display = {controlPanel: {}};
        this.healths = [
            {key: "late", label: _t("Late")},
            {key: "at_risk", label: _t("At risk")},
            {key: "on_track", label: _t("On track")},
        ];
        this.state = useState({
            scale: "month",
            filters: {mine: false, with_live: false, health: false, company_id: false},
            data: null,
        });
        this.mustScroll = true;
        onWillStart(() => this.load());
        onMounted(() => this.showToday());
        onPatched(() => this.showToday());
    }

    async load() {
        const filters = {...this.state.filters};
        this.state.data = await this.keepLast.add(
            this.orm.call("project.project", "saas_get_timeline", [filters])
        );
    }

    async setFilter(name, value) {
        this.state.filters[name] = value;
        await this.load();
    }

    onCompanyChange(ev) {
        return this.setFilter("company_id", Number(ev.target.value) || false);
    }

    setScale(scale) {
        this.state.scale = scale;
        this.mustScroll = true;
    }

    /** Bring today into sight, once after opening and after a change of scale. */
    showToday() {
        const element = this.scroller.el;
        if (this.mustScroll && element) {
            this.mustScroll = false;
            element.scrollLeft = Math.max(0, this.todayLeft - element.clientWidth / 4);
        }
    }

    get dayWidth() {
        return SCALES[this.state.scale];
    }

    get start() {
        return toDay(this.state.data.start).startOf("month");
    }

    get end() {
        return toDay(this.state.data.end).endOf(this.state.scale);
    }

    get width() {
        return this.left(this.end.plus({days: 1}));
    }

    get todayLeft() {
        return this.left(toDay(this.state.data.today)) + this.dayWidth / 2;
    }

    get isFiltered() {
        const filters = this.state.filters;
        return Boolean(filters.mine || filters.health || filters.company_id);
    }

    /** Distance of a day from the left edge in pixels. */
    left(day) {
        return (
            Math.round(day.startOf("day").diff(this.start, "days").days) * this.dayWidth
        );
    }

    /** Months, or quarters with their months, as wide as they are long. */
    get columns() {
        const columns = [];
        let day = this.start;
        while (day <= this.end) {
            const next = day.plus({months: 1});
            columns.push({
                key: day.toISODate(),
                label: day.toLocaleString({
                    month: "short",
                    year: this.state.scale === "month" ? "numeric" : undefined,
                }),
                above: day.month % 3 === 1 || !columns.length ? this.quarter(day) : "",
                left: this.left(day),
                width: this.left(next) - this.left(day),
            });
            day = next;
        }
        return columns;
    }

    quarter(day) {
        return _t("Q%(quarter)s %(year)s", {quarter: day.quarter, year: day.year});
    }

    /** Pieces of a project's bar: solid as agreed, hatched as far as predicted. */
    bars(project) {
        const kickoff = toDay(project.kickoff);
        const agreed = toDay(project.live || project.agreed);
        const predicted = project.live ? null : toDay(project.predicted);
        const bars = [];
        if (kickoff && agreed && agreed >= kickoff) {
            bars.push(this.bar("solid", kickoff, agreed));
        }
        const from = agreed || kickoff;
        if (from && predicted && predicted > from) {
            bars.push(this.bar("hatched", from, predicted));
        }
        return bars;
    }

    bar(kind, from, to) {
        const left = this.left(from) + (kind === "hatched" ? this.dayWidth : 0);
        // The last day belongs to it.
        const width = Math.max(this.left(to) + this.dayWidth - left, this.dayWidth);
        return {kind, style: `left: ${left}px; width: ${width}px;`};
    }

    markStyle(mark) {
        return `left: ${this.left(toDay(mark.date)) + this.dayWidth / 2}px;`;
    }

    markTitle(mark) {
        const words = {
            reached: _t("reached"),
            open: _t("open"),
            overdue: _t("overdue"),
        };
        return `${mark.name}: ${formatDate(toDay(mark.date))} (${words[mark.state]})`;
    }

    /** Everything the row shows, in words: also what a screen reader reads. */
    rowTitle(project) {
        const facts = [
            [_t("Kick-off"), project.kickoff],
            [_t("Agreed go-live"), project.agreed],
            [_t("Predicted go-live"), project.live ? false : project.predicted],
            [_t("Live since"), project.live],
        ];
        const lines = facts
            .filter(([, day]) => day)
            .map(([label, day]) => `${label}: ${formatDate(toDay(day))}`);
        return [project.name, ...lines, project.reason].filter(Boolean).join("\n");
    }

    open(project) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "project.project",
            res_id: project.id,
            views: [[false, "form"]],
        });
    }
}

registry.category("actions").add("saas_onboarding_timeline", OnboardingTimeline);
