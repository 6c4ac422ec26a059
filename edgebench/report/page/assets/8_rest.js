// Comparison, environment and method, header and footer; then everything is put in place.

const COMPARED = [
  ["cell", "text", "cell"], ["reason", "wrap", "reason"], ["metric", "text", "metric"], ["base", "text", "base"], ["new", "text", "new"], ["ratio", "ratio", "new / base"],
  ["between", "text", "interval"], ["verdict", "text", "verdict"], ["provenance", "text", "provenance"],
];
const VERDICTS = { slower: "bad", missing: "bad", failed: "bad", faster: "good", same: "muted", inconclusive: "ink", new: "muted" };
const UNITS = { s: "time", B: "bytes" };
const MOST_RATIOS = 40;

function makeComparison() {
  const held = data.comparison;
  if (!held) return;
  byId("comparison").hidden = false;
  const rows = held.rows.map((row) => ({
    ...row, base: written(row.base, UNITS[row.unit] ?? "plain"), new: written(row.new, UNITS[row.unit] ?? "plain"),
    between: row.low === null ? "" : `${row.low.toFixed(3)}\u2013${row.high.toFixed(3)} (${Math.round(row.confidence * 1000) / 10}%)`,
  }));
  const cell = (row, number) => (COMPARED[number][0] === "verdict" ? make("td", { class: `text ${VERDICTS[rows[row].verdict]}` }, rows[row].verdict) : null);
  const table = new DataTable({ name: "Comparison", columns: columnsOf(COMPARED), rows: rows.map((row) => COMPARED.map(([key]) => row[key])), cell });
  const chart = make("div", { class: "chart" });
  const size = (row) => Math.abs(Math.log(row.ratio));
  const judged = held.rows.filter((row) => row.ratio !== null && row.ratio !== 1).sort((a, b) => size(b) - size(a));
  draw(chart, "comparison", { rows: judged.slice(0, MOST_RATIOS).sort((a, b) => b.ratio - a.ratio) },
    Math.min(judged.length, MOST_RATIOS) || 1);
  const different = new Set(held.rows.flatMap((row) => row.differences));
  byId("comparison-body").append(
    make("p", { class: "lead" }, `${held.new} against ${held.base}: ${held.failing} of ${held.rows.length} comparisons failed, ${held.undecided} could not be decided.`),
    held.means.length ? list([`Geometric means of new / base: ${held.means.map((mean) => `${mean.metric} ${mean.ratio.toFixed(3)} (${mean.cells} cells)`).join(", ")}.`]) : "",
    ...(judged.length > MOST_RATIOS ? [make("p", { class: "quiet" }, `The plot has the ${MOST_RATIOS} largest of ${judged.length} changes.`)] : []),
    chart, table.element,
    ...(different.size ? [make("h3", {}, "What differs"), list([...different])] : []),
    ...(held.notes.length ? [make("h3", {}, "Notes"), list(held.notes)] : []),
  );
}

const NUMBERS = [
  "\u25cf measured: a clock on that device. The median covers copying the input in, the inference, and reading the output.",
  "\u25a0 emulated: the device's own runtime under an instruction-set emulator; counts, memory and outputs are exact; time comes from the counts through calibrated constants, or from the network's graph where that errs less. The sentences below say which.",
  "\u25b2 estimated, written ~ and in italics: from the network's graph; the interval is part of the number.",
  "Size is that of the file on disk; parameters and MACs are counted; parity is the file run here against PyTorch.",
  "The process is the unit of repetition: p50 is the median of the process medians, and its interval is over processes. No run is deleted. A percentile is refused where there are too few runs to support it at 99% confidence.",
];

function makeMethod() {
  const machines = data.environments.map((each) =>
    make("div", {}, make("h3", {}, `${each.facts.cpu ?? "unknown machine"}: ${each.devices.join(", ")}, ${each.rows} ${each.rows === 1 ? "row" : "rows"}`), facts(Object.entries(each.facts))));
  byId("method-body").append(
    make("h3", {}, "What the numbers are"), list(NUMBERS), make("h3", {}, "How they were taken"), list(data.methods.length ? data.methods : ["No row has a latency."]),
    ...(machines.length ? [make("h3", {}, "Machines"), make("div", { class: "machines" }, ...machines)] : []),
  );
}

/** The section of a choice stands in the page already: its tables sort, and its chart tells what is under the pointer. */
async function makeChoice() {
  for (const table of document.querySelectorAll("#choice table")) {
    const heads = [...table.tHead.rows[0].cells], [body] = table.tBodies;
    heads.forEach((head, number) => head.firstChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyOf = ({ cells }) => cells[number].dataset.key || cells[number].textContent;
      body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * ORDER.compare(keyOf(a), keyOf(b))));
    }));
  }
  if (charts.choice) await vegaEmbed(document.querySelector("#choice .chart"), charts.choice, OPTIONS);
}

function makeFrame() {
  const { meta } = data;
  const counts = new Map();
  data.rows.forEach((_, row) => counts.set(value(row, "provenance"), (counts.get(value(row, "provenance")) ?? 0) + 1));
  const kinds = [...counts].map(([name, count]) => `${MARKS[name]} ${WRITERS.number(count)} ${name}`).join("  ");
  byId("about").textContent = `${meta.source} \u00b7 ${WRITERS.number(meta.records)} records of ${WRITERS.number(meta.cells)} cells \u00b7 ${kinds} \u00b7 made ${WRITERS.date(meta.created)} UTC`;
  const links = [...document.querySelectorAll("main > section:not([hidden])")].map((section) => make("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  byId("sections").append(...links);
  if (meta.notes.length) document.querySelector("main").prepend(...meta.notes.map((note) => make("p", { class: "note bad" }, note)));
  byId("footer").append(
    ...(meta.left_out.length ? [make("p", {}, `Left out of this page: ${meta.left_out.join("; ")}.`)] : []),
    make("p", {}, `edgebench ${meta.version}. This page is one file and asks the network for nothing. Plots by Vega and Vega-Lite (BSD-3-Clause).`),
  );
}

makeOverview();
makeChoice();
makeMatrix();
makeTrade();
makeDetails();
makeComparison();
makeMethod();
makeFrame();
