// One cell in full: its record, its runs in time order, its operators, its history.

const PROCESSES = [
  ["process", "number", "process"], ["load_s", "time", "load"], ["first_s", "time", "first"], ["runs", "number", "runs"],
  ["fastest_s", "time", "fastest"], ["median_s", "time", "median"], ["slowest_s", "time", "slowest"],
  ["variation", "percent", "variation"], ["drift", "ratio", "drift"],
  ["clock", "text", "clock before, after"], ["heat", "text", "temperature before, after"],
];
const OPERATORS = [
  ["name", "text", "operator"], ["kind", "text", "kind"], ["time_s", "time", "time"], ["instructions", "count", "instr."], ["share", "percent", "share"],
  ["cumulative_share", "percent", "sum"], ["macs", "count", "MACs"], ["traffic_bytes", "bytes", "bytes"],
  ["flop_per_s", "rate", "FLOP/s"], ["roof_share", "percent", "of roof"], ["unit", "text", "ran on"],
];

const MOST_BARS = 30;

const columnsOf = (described) => described.map(([key, kind, label]) => ({ key, kind, label }));

function tableOf(name, described, rows) {
  return new DataTable({ name, columns: columnsOf(described), rows: rows.map((row) => described.map(([key]) => row[key])) }).element;
}

function choose(row, scroll) {
  overview.chosen = row;
  overview.table.draw();
  const select = byId("details-controls").querySelector("select");
  if (![...select.options].some((option) => option.value === String(row))) {
    select.append(make("option", { value: String(row) }, data.cells[row].label));
  }
  select.value = String(row);
  showDetails(row);
  if (scroll) byId("details").scrollIntoView({ block: "start" });
}

function showDetails(row) {
  const cell = data.cells[row];
  byId("details-body").replaceChildren(
    facts([
      ["number", `${MARKS[value(row, "provenance")]} ${value(row, "provenance")}, ${WRITERS.date(value(row, "time"))} UTC`],
      ["p50", `${written(value(row, "p50_s"), "time")}, interval ${written(value(row, "interval_s"), "interval")}${cell.confidence ? ` (${WRITERS.percent(cell.confidence)})` : ""}`],
      ["record", cell.id], ["file", cell.file && `sha256 ${cell.file}`], ["runtime", cell.version && `${value(row, "runtime")} ${cell.version}`],
      ["error", cell.error],
    ]),
    ...(cell.warnings.length ? [make("h3", {}, "Warnings"), list(cell.warnings)] : []),
    ...showSamples(row), ...showOperators(row), ...showHistory(row),
  );
}

function showSamples(row) {
  const held = data.samples[row];
  if (!held) return [make("p", { class: "quiet" }, value(row, "provenance") === "estimated" ? "An estimate has no samples." : "No samples of this cell are in this page.")];
  const [order, spread] = [make("div", { class: "chart" }), make("div", { class: "chart" })];
  draw(order, "latency", { samples: held.samples, starts: held.starts });
  draw(spread, "spread", { quantiles: held.quantiles });
  const about = ["Every dot is a run, processes one after the other; a slope is drift, a step is a clock that fell. Warm-up runs are not stored; the first inference is in the table.", ...held.notes].join(" ");
  const pair = ([before, after], unit, name) => (before === null || after === null ? "" : `${(before / unit).toFixed(2)} ${name}, ${(after / unit).toFixed(2)} ${name}`);
  const rows = held.processes.map((each) => ({ ...each, clock: pair(each.frequency_hz, 1e9, "GHz"), heat: pair(each.temperature_c, 1, "\u00b0C") }));
  return [
    make("h3", {}, "Latency in time order"), make("p", { class: "quiet" }, about), make("div", { class: "pair" }, order, spread),
    tableOf("Processes of this cell", PROCESSES, rows),
  ];
}

function showOperators(row) {
  const held = data.operators[row];
  if (!held) return [];
  const chart = make("div", { class: "chart" });
  draw(chart, held.counted ? "operators-counted" : "operators", { operators: held.operators }, Math.min(held.operators.length, MOST_BARS));
  return [
    make("h3", {}, "Operators"), ...held.caption.map((line) => make("p", { class: "quiet" }, line)), chart,
    tableOf("Operators of this cell", OPERATORS, held.operators),
  ];
}

function showHistory(row) {
  const held = data.histories[row];
  if (!held) return [];
  const chart = make("div", { class: "chart" });
  draw(chart, "history", { points: held.points, levels: held.levels });
  const changes = held.levels.filter((level) => level.change);
  const told = changes.map((level) => `${level.change} from ${new Date(level.from_s * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC on, to ${written(level.latency_s, "time")}${level.commit ? `, first seen at commit ${level.commit}` : ""}`);
  return [
    make("h3", {}, "History"),
    make("p", { class: "quiet" }, `${held.points.length} records; each dot is the median over processes of their 10th percentile.`), chart,
    told.length ? list(told) : make("p", { class: "quiet" }, "No change of 5% or more was found."),
  ];
}

function makeDetails() {
  const parts = [["samples", data.samples], ["operators", data.operators], ["history", data.histories]];
  const having = (row) => parts.filter(([, held]) => held[row]).map(([name]) => name);
  const rows = data.rows.map((_, row) => row).filter((row) => having(row).length);
  if (!rows.length && data.rows.length) rows.push(0);
  const options = rows.map((row) => [String(row), `${data.cells[row].label} (${having(row).join(", ") || "no details"})`]);
  const best = rows.reduce((a, b) => (having(b).length > having(a).length ? b : a), rows[0]);
  byId("details-controls").append(picker("cell", options, String(best), (row) => choose(Number(row), false)));
  if (best !== undefined) choose(best, false);
}
