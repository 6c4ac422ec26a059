// Networks by devices: which keeps a limit, and how certainly. A number with an interval is taken as log-normal.

const FRAME_S = 1 / 30;
const MOST_NETWORKS = 200;
const matrix = { limit: data.budgets[0]?.latency_s ?? FRAME_S };

/** Winitzki's approximation of the normal distribution function: right to 0.0002. */
function normal(z) {
  const square = z * z / 2, part = 0.147 * square;
  const half = Math.sqrt(1 - Math.exp(-square * (4 / Math.PI + part) / (1 + part)));
  return (1 + Math.sign(z) * half) / 2;
}

/** The z that a two-sided interval of this confidence spans: by bisection. */
function quantile(confidence) {
  let [low, high] = [0, 8];
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (2 * normal(middle) - 1 < confidence) low = middle; else high = middle;
  }
  return low;
}

/** The probability that a row's latency keeps the limit. */
function certainty(row) {
  const [median, bounds, { confidence }] = [value(row, "p50_s"), value(row, "interval_s"), data.cells[row]];
  const end = bounds && bounds[matrix.limit > median ? 1 : 0];
  const spread = end && confidence ? Math.abs(Math.log(end / median)) / quantile(confidence) : 0;
  if (!spread) return median <= matrix.limit ? 1 : 0;
  return normal(Math.log(matrix.limit / median) / spread);
}

const chance = (share) => (share > 0.995 ? ">99%" : share < 0.005 ? "<1%" : `${Math.round(share * 100)}%`);

/** The fastest row of the filter of each network and device: network -> device -> row. */
function fastest() {
  const found = new Map();
  for (const row of overview.filtered) {
    if (value(row, "p50_s") === null || value(row, "status") !== "ok") continue;
    const network = `${value(row, "model")} ${value(row, "point")}`;
    const held = found.get(network) ?? found.set(network, new Map()).get(network);
    const before = held.get(value(row, "device"));
    if (before === undefined || value(row, "p50_s") < value(before, "p50_s")) held.set(value(row, "device"), row);
  }
  return found;
}

function matrixCell(row) {
  if (row === undefined) return make("td", { class: "muted" }, "–");
  const share = certainty(row);
  const how = ["format", "precision", "runtime", "threads", "provenance"].map((key) => value(row, key)).join(" ");
  const title = `${how}; ${written(value(row, "interval_s"), "interval")}; keeps the limit: ${chance(share)}`;
  const button = make("button", { type: "button", title, click: () => choose(row, true) }, written(value(row, "p50_s"), "time"));
  return make("td", { class: "sure", style: `--share: ${Math.round(share * 100)}%` }, button, make("small", {}, chance(share)));
}

const redrawMatrix = settled(() => {
  const found = [...fastest()].slice(0, MOST_NETWORKS);
  const sum = (rows) => rows.reduce((total, row) => total + certainty(row), 0);
  const devices = [...new Set(found.flatMap(([, held]) => [...held.keys()]))];
  const of = new Map(devices.map((device) => [device, sum(found.flatMap(([, held]) => (held.has(device) ? [held.get(device)] : [])))]));
  devices.sort((a, b) => of.get(b) - of.get(a) || a.localeCompare(b));
  found.sort((a, b) => sum([...b[1].values()]) - sum([...a[1].values()]) || a[0].localeCompare(b[0]));
  const head = make("tr", {}, make("th", { scope: "col", class: "text" }, "network"), ...devices.map((device) => make("th", { scope: "col" }, make("span", {}, device))));
  const body = found.map(([network, held]) => make("tr", {}, make("th", { scope: "row" }, network), ...devices.map((device) => matrixCell(held.get(device)))));
  const caption = make("caption", {}, `Latency, and how certainly it is at most ${written(matrix.limit, "time")}`);
  byId("matrix-table").replaceChildren(make("table", { class: "matrix" }, caption, make("thead", {}, head), make("tbody", {}, ...body)));
}, 150);

function makeMatrix() {
  if (new Set(data.rows.map((row) => row[KEY.device])).size < 2) return;
  byId("matrix").hidden = false;
  const rate = make("input", { type: "number", min: "0", step: "any", value: significant(1 / matrix.limit), input: () => {
    if (Number(rate.value) > 0) matrix.limit = 1 / Number(rate.value);
    redrawMatrix();
  } });
  byId("matrix-controls").append(make("label", {}, "frames a second", rate));
  redrawMatrix();
}
