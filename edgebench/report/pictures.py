"""The report's plots as PNG or SVG files, for papers and READMEs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import MissingPackage, UsageError, unknown
from edgebench.report import accuracy, operators, output, overview, plot_rows, stored
from edgebench.report.stored import Key, Point, Stored
from edgebench.report.theme import Look

if TYPE_CHECKING:
    from edgebench.report.plots import Chart, ChartRow

KINDS: Final = ("pareto", "latency", "spread", "operators", "history")
LOOKS: Final = ("light", "dark")
SUFFIXES: Final = (".png", ".svg")
MOST_SERIES: Final = 10
NAMED: Final = 5
CHOOSE: Final = "choose with --model, --device, --fmt or --precision"
SCALE: Final = 2.0  # pixels of a PNG a point: sharp in print and on dense screens


Series = list[tuple[Key, list[Point]]]


@dataclass(frozen=True)
class Wanted:
    """Which cells to draw; None takes any. `model` is a network's name, or a whole key (mobilenetv2-w1-d1-r224)."""

    model: str | None = None
    device: str | None = None
    format: str | None = None
    precision: str | None = None

    def fits(self, key: Key) -> bool:
        """Whether a series is wanted."""
        form, precision, *_ = key.cell.export.split("-")
        return (
            self.model in (None, key.cell.model, key.name)
            and self.device in (None, key.cell.device)
            and self.format in (None, form)
            and self.precision in (None, precision)
        )


@dataclass(frozen=True)
class Picture:
    """What to draw, and how."""

    kind: str
    wanted: Wanted = Wanted()
    y: str | None = None
    accuracies: Path | None = None
    latency_budget_s: float | None = None
    look: Look = "light"


def write_plot(source: str, path: Path, picture: Picture, *, on_warning: Callable[[str], None]) -> None:
    """Draws one plot of the results that `source` names into `path`, whose suffix is .png or .svg.

    Raises UsageError for another suffix, an unknown kind, or a choice of cells that does not fit the kind, and
    MissingPackage without the extra `report`.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"a plot is written as {' or '.join(SUFFIXES)}, not '{path.suffix}': name such a file with -o")
    if picture.kind not in KINDS:
        raise unknown("kind of plot", picture.kind, KINDS)
    content = drawn(draw(stored.load(source, on_warning=on_warning), picture), path.suffix)
    output.write(path, content)


def draw(store: Stored, picture: Picture) -> Chart:
    """The chart of some stored results, such as for a notebook; raises as `write_plot` does."""
    if picture.look not in LOOKS:
        raise unknown("look", picture.look, LOOKS)
    series = [(key, points) for key, points in store.series.items() if picture.wanted.fits(key)]
    if not series:
        raise UsageError(f"no stored result fits; there are: {_named(list(store.series))}")
    if picture.kind == "pareto":
        return _pareto(store, series, picture)
    if picture.kind == "history":
        return _history(series, picture.look)
    return _of_one(store, series, picture)


def _pareto(store: Stored, series: Series, picture: Picture) -> Chart:
    from edgebench.report import plots

    known = accuracy.read(picture.accuracies) if picture.accuracies else accuracy.Accuracies()
    results = [store.read(points[-1]) for _, points in series]
    good = [result for result in results if result.status == "ok"]
    y = picture.y or ("accuracy" if any(overview.top1(result, known) is not None for result in good) else "size")
    if y not in plots.TRADES:
        raise unknown("quantity against latency", y, plots.TRADES)
    table = [overview.row(result, 1, known) for result in good]
    rows = overview.points(table, [result.model.family for result in good])
    field = plots.TRADES[y][0]
    placed = [row for row in rows if row["p50_s"] is not None and row[field] is not None]
    if not placed:
        missing = {name: sum(row[key] is None for row in rows) for name, key in (("latency", "p50_s"), (y, field))}
        lacking = [f"{count} of {len(rows)} results have no {name}" for name, count in missing.items() if count]
        raise UsageError(f"no result has both latency and {y} ({', '.join(lacking) or 'none succeeded'})")
    budgets = [{"latency_s": picture.latency_budget_s}] if picture.latency_budget_s else []
    return plots.pareto(placed, y=y, budgets=budgets, look=picture.look)


def _history(series: Series, look: Look) -> Chart:
    from edgebench.report import plots

    past = [(key, points) for key, points in series if len(plot_rows.usable(points)) >= plot_rows.LEAST_POINTS]
    if not past:
        raise UsageError(
            f"no cell has {plot_rows.LEAST_POINTS} or more records yet, which a plot of history needs:"
            f" {_named([key for key, _ in series])}"
        )
    if len(past) > MOST_SERIES:
        raise UsageError(
            f"{len(past)} cells have a past, and a plot of history shows up to {MOST_SERIES}: {CHOOSE}"
            f" among {_named([key for key, _ in past])}"
        )
    points = [row for key, stored_points in past for row in plot_rows.history_points(key.label, stored_points)]
    steps = [row for key, stored_points in past for row in plot_rows.levels(key.label, stored_points)[0]]
    return plots.history(points, steps, look=look)


def _of_one(store: Stored, series: Series, picture: Picture) -> Chart:
    """A plot of one cell. Raises UsageError when several fit, or none has what the plot shows."""
    from edgebench.report import plots

    able = [
        (key, result)
        for key, points in series
        for result in [store.read(points[-1])]
        if (result.operators and operators.shown(result.operators) if picture.kind == "operators" else result.samples_s)
    ]
    if not able:
        what = "operators; `edgebench profile --per-op` stores them" if picture.kind == "operators" else "samples"
        raise UsageError(f"none of the results that fit holds {what}: {_named([key for key, _ in series])}")
    if len(able) > 1:
        raise UsageError(
            f"{len(able)} cells fit, and this plot shows one: {CHOOSE} among {_named([key for key, _ in able])}"
        )
    [(key, result)] = able
    held, samples_s, look = result.operators, result.samples_s, picture.look
    if picture.kind == "operators" and held is not None:
        chart = plots.operators(operators.shown(held), counted=not held.is_timed, look=look)
    elif picture.kind == "spread":
        chart = plots.spread(plot_rows.quantiles(samples_s), look=look)
    else:
        chart = plots.latency(plot_rows.in_order(samples_s), plot_rows.starts(samples_s), look=look)
    return chart.properties(title=key.label)


def drawn(chart: Chart | ChartRow, suffix: str) -> bytes:
    """Returns a chart as the content of a .png or .svg file. Raises MissingPackage without the extra `report`."""
    from edgebench.report.plots import described

    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingPackage("vl-convert-python", "report", "writing pictures") from error
    if suffix == ".svg":
        return vl_convert.vegalite_to_svg(described(chart)).encode()
    image: bytes = vl_convert.vegalite_to_png(described(chart), scale=SCALE)
    return image


def _named(keys: Sequence[Key]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return "; ".join(key.label for key in keys[:NAMED]) + more
