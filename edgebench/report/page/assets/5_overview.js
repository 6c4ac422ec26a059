// The overview table, its filters, and the trade-off plot of the rows that they leave.

const KEY = Object.fromEntries(data.columns.map((column, number) => [column.key, number]));
const value = (row, key) => data.rows[row][KEY[key]];
const MARKS = { measured: "\u25cf", emulated: "\u25a0", estimated: "\u25b2" };
const FILTERS = ["device", "runtime", "format", "precision", "provenance", "status"];
const UNCERTAIN = new Set(["p50_s", "interval_s", "first_s", "load_s", "p90_s", "p99_s", "peak_memory_bytes"]);
const MOST_BUBBLES = 1500;

const overview = {
  words: "",
  picked: {},
  texts: data.rows.map((row) => row.filter((each) => typeof each === "string").join(" ").toLowerCase()),
  filtered: data.rows.map((_, row) => row),
  chosen: -1,
};

function fits(row) {
  if (!overview.words.split(/\s+/).every((word) => overview.texts[row].includes(word))) return false;
  return Object.entries(overview.picked).every(([key, wanted]) => !wanted || value(row, key) === wanted);
}

function filter() {
  overview.filtered = data.rows.map((_, row) => row).filter(fits);
  overview.table.show([...overview.filtered]);
  redrawTrade();
  redrawMatrix();
}

function makeFilters() {
  const search = make("input", { type: "search", autocomplete: "off", input: settled(() => {
    overview.words = search.value.trim().toLowerCase();
    filter();
  }, 120) });
  const pickers = FILTERS.map((key) => {
    const values = [...new Set(data.rows.map((row) => row[KEY[key]]))].sort();
    if (values.length < 2) return null;
    return picker(key, [["", "all"], ...values.map((each) => [each, each])], "", (wanted) => {
      overview.picked[key] = wanted;
      filter();
    });
  });
  const save = make("button", { type: "button", click: saveTable }, "Save rows as CSV");
  byId("filters").append(make("label", {}, "search: any words", search), ...pickers.filter(Boolean), save);
}

function saveTable() {
  const quoted = (each) => `"${String(each ?? "").replaceAll('"', '""')}"`;
  const lines = [data.columns.map((column) => quoted(column.key)).join(",")];
  for (const row of overview.table.shown) lines.push(data.rows[row].map(quoted).join(","));
  const link = make("a", { download: "edgebench.csv", href: URL.createObjectURL(new Blob([lines.join("\n")], { type: "text/csv" })) });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The cells that are more than text: the model chooses the row, a provenance has its mark, an estimate says so. */
function overviewCell(row, number) {
  const { key, kind } = data.columns[number];
  const held = data.rows[row][number];
  if (number === 0) {
    const button = make("button", { type: "button", title: held, click: () => choose(row, true) }, held);
    return make("th", { scope: "row" }, button);
  }
  if (kind === "provenance" && value(row, "status") !== "ok") {
    return make("td", { class: "text bad", title: data.cells[row].error }, value(row, "status"));
  }
  if (kind === "provenance") return make("td", { class: "text" }, make("span", { class: "mark", "aria-hidden": "true" }, MARKS[held]), held);
  if (kind === "status" && held !== "ok") return make("td", { class: "text bad", title: data.cells[row].error }, held);
  if (UNCERTAIN.has(key) && typeof held !== "string" && held !== null && value(row, "provenance") === "estimated") {
    return make("td", { class: "number-estimated", title: "estimated" }, `~${written(held, kind)}`);
  }
  return null;
}

function makeOverview() {
  makeFilters();
  overview.table = new DataTable({
    name: "Overview of all cells", columns: data.columns, rows: data.rows, cell: overviewCell, chosen: () => overview.chosen,
    size: 25, sizes: [25, 50, 100, 500],
  });
  byId("overview-table").append(overview.table.element);
}

// The trade-off plot.

const TRADES = { accuracy: "top-1 accuracy", size: "file size", memory: "peak memory", macs: "MACs", parameters: "parameters" };
const FIELDS = { accuracy: "accuracy", size: "size_bytes", memory: "peak_memory_bytes", macs: "macs", parameters: "parameters" };
const trade = { y: "size", device: "", latency: data.budgets[0]?.latency_s ?? null, memory: data.budgets[0]?.memory_bytes ?? null };

const plottable = (row, y) => value(row, "status") === "ok" && value(row, "p50_s") !== null && value(row, FIELDS[y]) !== null;

function tradeRows() {
  const rows = overview.filtered.filter((row) => (!trade.device || value(row, "device") === trade.device) && plottable(row, trade.y));
  return rows.slice(0, MOST_BUBBLES).map((row) => ({
    ...Object.fromEntries(data.columns.map((column, number) => [column.key, data.rows[row][number]])),
    family: data.families[row],
    label: ["model", "point", "format", "precision"].map((key) => value(row, key)).join(" "),
    over_memory: trade.memory !== null && value(row, "peak_memory_bytes") > trade.memory,
  }));
}

const redrawTrade = settled(() => {
  const rows = tradeRows();
  const left = overview.filtered.filter((row) => plottable(row, trade.y)).length;
  const lacking = (key) => overview.filtered.filter((row) => value(row, key) === null).length;
  const why = `No row of the filter can be drawn: of ${overview.filtered.length}, ${lacking("p50_s")} have no latency and ${lacking(FIELDS[trade.y])} no ${TRADES[trade.y]}.`;
  const missing = Object.keys(TRADES).some((y) => y === "accuracy" && !data.rows.some((row) => row[KEY.accuracy] !== null));
  byId("trade-lead").textContent =
    (missing ? "No accuracy is stored (edgebench profile --data) or given (--accuracy FILE.csv), so cost stands against latency. " : "") +
    (left ? "" : `${why} `) + `${rows.length} of ${left} rows of the filter that have both numbers. The bubble is peak memory; ` +
    "the line joins the points that no other beats on both axes.";
  draw(byId("trade-chart"), `pareto-${trade.y}`, { rows, budgets: trade.latency ? [{ latency_s: trade.latency }] : [] });
}, 150);

function makeTrade() {
  const counts = new Map();
  data.rows.forEach((_, row) => plottable(row, "size") && counts.set(value(row, "device"), (counts.get(value(row, "device")) ?? 0) + 1));
  const devices = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  trade.device = devices[0] ?? "";
  const known = Object.keys(TRADES).filter((y) => data.rows.some((_, row) => plottable(row, y)));
  trade.y = known[0] ?? "size";
  const set = (key) => (wanted) => { trade[key] = wanted; redrawTrade(); };
  const number = (key, unit) => make("input", { type: "number", min: "0", step: "any", value: trade[key] === null ? "" : trade[key] / unit,
    input: (event) => set(key)(event.target.value ? Number(event.target.value) * unit : null) });
  byId("trade-controls").append(
    picker("against latency", known.map((y) => [y, TRADES[y]]), trade.y, set("y")),
    picker("device", [...devices.map((name) => [name, name]), ["", "all devices"]], trade.device, set("device")),
    make("label", {}, "latency budget (ms)", number("latency", 1e-3)),
    make("label", {}, "memory budget (MB)", number("memory", 1e6)),
  );
  redrawTrade();
}
