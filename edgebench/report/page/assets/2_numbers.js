// How numbers are written: three significant digits and a unit, as edgebench/units.py writes them.

function significant(value) {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 3));
}

function scaled(value, scales, bare) {
  for (const [unit, factor] of scales) if (Math.abs(value) >= factor) return `${significant(value / factor)} ${unit}`;
  return bare(value);
}

const TIMES = [["s", 1], ["ms", 1e-3], ["us", 1e-6]];
const SIZES = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]];
const COUNTS = [["G", 1e9], ["M", 1e6], ["k", 1e3]];

const WRITERS = {
  time: (value) => scaled(value, TIMES, (small) => `${significant(small / 1e-9)} ns`),
  bytes: (value) => scaled(value, SIZES, (small) => `${small} B`),
  count: (value) => scaled(value, COUNTS, (small) => `${small}`),
  plain: (value) => (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : WRITERS.rate(value)),
  rate: (value) => scaled(value, COUNTS, (small) => significant(small)),
  share: (value) => (value === 0 ? "0" : Math.abs(value) < 1e-3 ? value.toExponential(0) : `${(value * 100).toFixed(1)}%`),
  percent: (value) => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)}%`,
  ratio: (value) => value.toFixed(3),
  number: (value) => value.toLocaleString("en-US"),
  date: (value) => value.slice(0, 16).replace("T", " "),
  interval: ([low, high]) => interval(low, high),
};

/** "7.10-7.42 ms": the unit once where both ends share it. */
function interval(low, high) {
  const [first, last] = [WRITERS.time(low), WRITERS.time(high)];
  return first.split(" ")[1] === last.split(" ")[1] ? `${first.split(" ")[0]}\u2013${last}` : `${first}\u2013${last}`;
}

const isText = (kind) => kind === "text" || kind === "provenance" || kind === "status";

/** What stands in a cell: the number, a dash for none, or the reason why it was refused. */
function written(value, kind) {
  if (value === null || value === undefined || value === "") return "\u2013";
  if (typeof value === "string" && kind !== "date") return value;
  return WRITERS[kind] ? WRITERS[kind](value) : String(value);
}

/** The value that a column sorts by; null sorts last. An interval sorts by its width, a refusal counts as none. */
function sortable(value, kind) {
  if (value === null || value === undefined || value === "") return null;
  if (kind === "interval") return (value[1] - value[0]) / value[0];
  return typeof value === "string" && !isText(kind) && kind !== "date" ? null : value;
}
