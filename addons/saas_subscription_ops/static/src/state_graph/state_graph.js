import {GraphRenderer} from "@web/views/graph/graph_renderer";
import {graphView} from "@web/views/graph/graph_view";
import {registry} from "@web/core/registry";

/** Colours that mean the same on boards, lists and graphs, by field and value. */
const COLORS = {
    saas_health: {on_track: "#28a745", at_risk: "#ffac00", late: "#dc3545"},
    category: {
        commit: "#28a745",
        best_case: "#17a2b8",
        at_risk: "#ffac00",
        lost: "#dc3545",
    },
};

/** Graph whose states have their own colours, whatever the order they come in. */
export class StateGraphRenderer extends GraphRenderer {
    /**
     * @param {String} label of a group, or of several joined by " / "
     * @returns {String|undefined} colour of the state it names
     */
    getStateColor(label) {
        const {fields, groupBy} = this.model.metaData;
        for (const {fieldName} of groupBy) {
            const colors = COLORS[fieldName];
            for (const [value, name] of (colors && fields[fieldName].selection) || []) {
                if (colors[value] && String(label).split(" / ").includes(name)) {
                    return colors[value];
                }
            }
        }
        return undefined;
    }

    getBarChartData() {
        const data = super.getBarChartData();
        for (const dataset of data.datasets) {
            if (dataset.type === "line") {
                continue;
            }
            const color = this.getStateColor(dataset.label);
            if (color) {
                dataset.backgroundColor = color;
            }
        }
        return data;
    }

    getLegendOptions() {
        const options = super.getLegendOptions();
        const {mode} = this.model.metaData;
        if (mode === "pie") {
            const {generateLabels} = options.labels;
            options.labels.generateLabels = (chart) =>
                generateLabels(chart).map((item) => ({
                    ...item,
                    fillStyle: this.getStateColor(item.fullText) || item.fillStyle,
                }));
        }
        return options;
    }

    getPieChartData() {
        const data = super.getPieChartData();
        for (const dataset of data.datasets) {
            const colors = dataset.backgroundColor.map(
                (color, index) => this.getStateColor(data.labels[index]) || color
            );
            dataset.backgroundColor = colors;
            dataset.hoverBackgroundColor = colors;
        }
        return data;
    }
}

registry.category("views").add("saas_state_graph", {
    ...graphView,
    Renderer: StateGraphRenderer,
});
