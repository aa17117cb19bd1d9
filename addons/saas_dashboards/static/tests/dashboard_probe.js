// Runs in the browser: waits until nothing is loading any more, then compares every
// figure with what Python computed, before and after each filter. Python replaces the
// name of the list of steps.
(async () => {
    const steps = STEPS;
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const active = () =>
        window.odoo?.__WOWL_DEBUG__?.root?.env.services.spreadsheet_dashboard_loader?.getActiveDashboard();
    for (let i = 0; i < 1500 && !["Loaded", "Error"].includes(active()?.status); i++) {
        await sleep(100);
    }
    if (!active() || active().status !== "Loaded") {
        throw new Error("not loaded: " + (active() && active().error));
    }
    const model = active().model;
    const getters = model.getters;
    const isLoading = (cell) =>
        cell.type === "error" &&
        /loading/i.test(String(cell.value) + (cell.message || ""));
    const cells = () =>
        getters
            .getSheetIds()
            .flatMap((sheetId) =>
                Object.values(getters.getEvaluatedCells(sheetId)).map((cell) => [
                    sheetId,
                    cell,
                ])
            );
    // A formula inside IFERROR hides that it is loading: ask the sources themselves.
    const load = () =>
        Promise.all([
            ...getters.getPivotIds().map((id) => getters.getPivot(id).load()),
            ...getters.getListIds().map((id) => getters.getListDataSource(id).load()),
            ...getters
                .getOdooChartIds()
                .map((id) => getters.getChartDataSource(id).load()),
        ]);
    const settle = async () => {
        for (let i = 0; i < 100; i++) {
            model.dispatch("EVALUATE_CELLS");
            await load();
            await sleep(50);
            model.dispatch("EVALUATE_CELLS");
            const ready = getters
                .getOdooChartIds()
                .every((id) => getters.getChartDataSource(id).isReady());
            if (ready && !cells().some(([, cell]) => isLoading(cell))) {
                return;
            }
        }
        throw new Error("still loading");
    };
    const runtimes = () =>
        getters
            .getSheetIds()
            .flatMap((sheetId) =>
                getters
                    .getChartIds(sheetId)
                    .map((id) => [
                        getters.getChartDefinition(id),
                        getters.getChartRuntime(id),
                    ])
            );
    const problems = [];
    for (const step of steps) {
        for (const [label, value] of Object.entries(step.filters)) {
            const filter = getters
                .getGlobalFilters()
                .find((one) => one.label === label);
            model.dispatch("SET_GLOBAL_FILTER_VALUE", {
                id: filter.id,
                value: value || undefined,
            });
        }
        await sleep(50);
        await settle();
        for (const [sheetId, cell] of cells()) {
            if (cell.type === "error") {
                problems.push(
                    `${step.name}: ${getters.getSheetName(sheetId)} ${cell.value} ${cell.message}`
                );
            }
        }
        const cards = {};
        const series = {};
        for (const [definition, runtime] of runtimes()) {
            if (definition.type === "scorecard") {
                cards[definition.title.text] = runtime.keyValue;
            } else {
                const data = runtime.chartJsConfig.data;
                const key = JSON.stringify(definition.searchParams.domain).match(
                    /"kpi_id\.code","=","(\w+)"/
                );
                series[(key && key[1]) || definition.metaData.resModel] =
                    Object.fromEntries(
                        data.datasets.flatMap((set) =>
                            data.labels.map((label, i) => [
                                `${label} / ${set.label}`,
                                set.data[i],
                            ])
                        )
                    );
            }
        }
        for (const [title, wanted] of Object.entries(step.cards)) {
            if (cards[title] !== wanted) {
                problems.push(
                    `${step.name}: ${title} shows ${cards[title]}, not ${wanted}`
                );
            }
        }
        for (const [key, points] of Object.entries(step.charts || {})) {
            for (const [point, wanted] of Object.entries(points)) {
                const got = (series[key] || {})[point];
                if (got === undefined || Math.abs(got - wanted) > 0.00001) {
                    problems.push(
                        `${step.name}: chart ${key} ${point} is ${got}, not ${wanted}: ` +
                            JSON.stringify(series[key])
                    );
                }
            }
        }
        if (step.texts) {
            const shown = new Set(cells().map(([, cell]) => cell.formattedValue));
            for (const text of step.texts) {
                if (!shown.has(text)) {
                    problems.push(`${step.name}: ${text} is not shown`);
                }
            }
        }
    }
    if (problems.length) {
        throw new Error(problems.join("\n"));
    }
    console.log("test successful");
})();
