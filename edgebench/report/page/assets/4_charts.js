// Charts: the same Vega-Lite descriptions as `edgebench plot`, given this page's rows.

// An empty dataset is no reason for a warning, so only errors reach the console. `ast` does without eval.
const OPTIONS = { actions: false, renderer: "svg", ast: true, logLevel: 1, tooltip: { theme: "edgebench" } };
const drawn = new Map();

const BAR_HEIGHT = 17;

/**
 * Draws a chart by name into an element; rows go to the datasets that it names, the first of which must not be empty.
 * `bars` sets the height of bar charts.
 */
async function draw(element, name, datasets, bars = 0) {
  drawn.get(element)?.finalize();
  drawn.delete(element);
  if (!Object.values(datasets)[0].length) {
    element.replaceChildren(make("p", { class: "quiet" }, "Nothing to draw."));
    return;
  }
  const described = structuredClone(charts[name]);
  described.datasets = { ...described.datasets, ...datasets };
  if (bars) described.height = BAR_HEIGHT * bars;
  const { view } = await vegaEmbed(element, described, OPTIONS);
  drawn.set(element, view);
}
