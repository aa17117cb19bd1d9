import {Component, onWillUnmount, onWillUpdateProps, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useService} from "@web/core/utils/hooks";

const POLL_MS = 2000;
const BUSY = ["computing", "posting"];
const FIELDS = [
    "state",
    "is_paused",
    "progress",
    "compute_total",
    "pending_count",
    "total_count",
    "done_count",
    "failed_count",
    "left_count",
];

/**
 * The progress of a billing run: looks again by itself while workers are busy, and
 * refreshes the form once the run has moved on.
 */
export class BillingRunProgress extends Component {
    static template = "saas_subscription_ops.BillingRunProgress";
    static props = {...standardFieldProps};

    setup() {
        this.orm = useService("orm");
        this.facts = useState({});
        this.timer = null;
        this.show(this.props.record.data);
        this.plan();
        onWillUpdateProps((next) => {
            this.show(next.record.data);
            this.plan();
        });
        onWillUnmount(() => {
            this.gone = true;
            clearTimeout(this.timer);
        });
    }

    show(data) {
        for (const name of FIELDS) {
            this.facts[name] = data[name];
        }
    }

    plan() {
        clearTimeout(this.timer);
        if (!this.gone && BUSY.includes(this.facts.state) && this.props.record.resId) {
            this.timer = setTimeout(() => this.look(), POLL_MS);
        }
    }

    async look() {
        const record = this.props.record;
        let rows = [];
        try {
            rows = await this.orm.silent.read(record.resModel, [record.resId], FIELDS);
        } catch {
            // The server is away: look again later, the page stays as it is.
            this.plan();
            return;
        }
        if (this.gone || !rows.length) {
            return;
        }
        const before = this.facts.state;
        const paused = this.facts.is_paused;
        this.show(rows[0]);
        if (before !== this.facts.state || paused !== this.facts.is_paused) {
            await record.load();
        }
        this.plan();
    }

    get percent() {
        return Math.round(this.facts.progress || 0);
    }

    get text() {
        const facts = this.facts;
        if (facts.state === "computing") {
            return _t("%(done)s of %(all)s computed", {
                done: facts.compute_total - facts.pending_count,
                all: facts.compute_total,
            });
        }
        return _t("%(done)s posted, %(failed)s failed, %(left)s left", {
            done: facts.done_count,
            failed: facts.failed_count,
            left: facts.left_count,
        });
    }

    get barClass() {
        if (this.facts.is_paused) {
            return "bg-warning";
        }
        return BUSY.includes(this.facts.state)
            ? "progress-bar-striped progress-bar-animated"
            : "bg-success";
    }
}

export const billingRunProgress = {
    component: BillingRunProgress,
    displayName: _t("Billing Run Progress"),
    supportedTypes: ["float"],
    fieldDependencies: FIELDS.map((name) => ({
        name,
        type:
            {state: "selection", is_paused: "boolean", progress: "float"}[name] ||
            "integer",
        readonly: true,
    })).filter((field) => field.name !== "progress"),
};

registry.category("fields").add("saas_billing_run_progress", billingRunProgress);
