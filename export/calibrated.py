"""Static int8 in any format: observe, write a file for each calibrator, keep the best, leave float what costs most.

A format says how to do each of these (`Steps`). Everything is decided by running the written files on held-out images.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array
from edgebench.formats.format import by_suffix
from edgebench.formats.native import parts
from edgebench.formats.network import Network
from edgebench.formats.quantize.adjust import CORRECTED, EQUALIZED, LEVELS, OBSERVED, ROUNDED, equalize
from edgebench.formats.quantize.choose import Run, best, output_error, worst_error
from edgebench.formats.quantize.ranges import CALIBRATORS, Observer, Range, observe, ranges
from edgebench.formats.strict import listed
from edgebench.formats.verify import GATES
from edgebench.graph.operators import Graph
from edgebench.ground.errors import EdgebenchError, ExportError
from edgebench.ground.records import Calibrator, Interval, LayerError, Quantization, QuantizationReport
from edgebench.runtimes import runtime_of

BUDGET = "kept float to stay within the error budget"
ONLY_WEIGHTS = "only the weights have 8 bits, as asked"
WRONG = "kept float for the file to be right"
DROP = "kept float to stay within the drop of top-1"
GAIN = 0.98  # an adjustment is kept where it leaves no more than this share of the error

Tensors = Mapping[str, npt.NDArray[np.float32]]
Ranges = Mapping[str, Range]


@dataclass(frozen=True)
class Steps:
    """What a format knows to do.

    `activations` yields the float network's tensors for each image. `write` makes an int8 file from ranges and the
    names of the layers that stay float. `run` loads a file as if it were torch's network, `layers` measures it layer
    by layer. `equalized` gives the steps for the same network with equalised weights, None where there is nothing to
    equalise; `rounded` those with weights rounded by what they are multiplied with, `corrected` those with biases that
    take back what rounding shifts. What is None a format does not have.
    """

    activations: Callable[[Sequence[Array]], Iterable[Tensors]]
    write: Callable[[Ranges, Collection[str], Path], None]
    run: Callable[[Path], Run]
    layers: Callable[[Path, Sequence[Array]], Sequence[LayerError]]
    equalized: Callable[[], Steps | None] | None = None
    rounded: Callable[[], Steps] | None = None
    corrected: Callable[[], Steps] | None = None


def of_graph(
    network: Network, graph: Graph, of: Callable[[Graph], Steps], levels: int = LEVELS, exact: Graph | None = None
) -> Steps:
    """The steps of a format that writes from a Graph, `of` one, with the adjustments as changes to that.

    `exact` is the graph before its weights were rounded: layers that stay float are those of it.
    """
    made = of(graph)

    def write(ranges: Ranges, kept: Collection[str], target: Path) -> None:
        mixed = made if exact is None or not kept else of(_mixed(graph, exact, kept))
        mixed.write(ranges, kept, target)

    def equalized() -> Steps | None:
        found = equalize(graph)
        return None if found is None else of_graph(network, found, of, levels)

    def rounded() -> Steps:
        from edgebench.formats.quantize.rounding import rounded

        found = rounded(graph, network.calibration_images[:OBSERVED], levels)
        return of_graph(network, found, of, levels, exact=graph)

    return dataclasses.replace(made, write=write, equalized=equalized, rounded=rounded)


def _mixed(graph: Graph, exact: Graph, kept: Collection[str]) -> Graph:
    pairs = zip(exact.operators, graph.operators, strict=True)
    chosen = (own if {own.name, own.module} & set(kept) else changed for own, changed in pairs)
    return dataclasses.replace(graph, operators=tuple(chosen))


@dataclass(frozen=True)
class Made:
    """A file that was written: from which network, how, and the error of each that was tried before it."""

    network: Network
    steps: Steps
    ranges: Ranges
    calibrator: Calibrator
    errors: dict[str, float]
    error: float
    adjustments: tuple[str, ...] = ()

    def error_of(self, path: Path) -> float:
        """The relative L2 error of a file's outputs on the held-out images."""
        return output_error(self.steps.run(path), *self.network.reference)

    def worst_of(self, path: Path) -> float:
        """That of the output and the image where it is largest."""
        cuts = [cut for _, cut in parts(self.network.outputs)]
        return worst_error(self.steps.run(path), *self.network.reference, cuts)


def make(network: Network, steps: Steps, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes `path`, the int8 file with the least error on the held-out images; returns what was decided, and warnings.

    Equalised weights, weights rounded by their inputs and corrected biases are tried as well, where the format has
    them, and kept where they lower the error. Raises ExportError when an activation is not finite.
    """
    wanted = network.quantization or Quantization()
    made = _calibrated(network, steps, path)
    if wanted.equalize and made.steps.equalized:
        made = _adjusted(made, EQUALIZED, made.steps.equalized(), path)
    if wanted.correct_bias and made.steps.rounded:
        made = _adjusted(made, ROUNDED, made.steps.rounded(), path)
    if wanted.correct_bias and made.steps.corrected:
        made = _adjusted(made, CORRECTED, made.steps.corrected(), path)
    held_out, _ = network.reference
    report = QuantizationReport(
        calibrator=made.calibrator,
        calibration_images=len(network.calibration_images),
        held_out=len(held_out),
        errors=made.errors,
        layers=tuple(made.steps.layers(path, network.layer_images)),
        equalized=EQUALIZED in made.adjustments,
        rounded=ROUNDED in made.adjustments,
        bias_corrected=CORRECTED in made.adjustments,
    )
    if wanted.max_drop is not None:
        return _judged(wanted.max_drop, report, made, path)
    if wanted.error_budget is None or made.error <= wanted.error_budget:
        return _right(report, made, path)
    report, count, found = _within(wanted.error_budget, made.error_of, BUDGET, report, made, path)
    beyond = f"the error budget {wanted.error_budget:g} is not met: {found:.2g} with {count} layers kept float"
    return report, () if found <= wanted.error_budget else (beyond,)


def _right(report: QuantizationReport, made: Made, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Leaves the worst layers float where the file would be refused otherwise, and names them."""
    _, limit, _ = GATES["int8"]
    throughout = made.worst_of(path)
    if throughout <= limit:
        return report, ()
    report, _, _ = _within(limit, made.worst_of, WRONG, report, made, path)
    floats = [layer.name for layer in report.layers if layer.why == WRONG]
    return report, (
        f"in int8 throughout an image's outputs err by {throughout:.2g} of their size: {len(floats)} layers stay float "
        f"({listed(floats)})",
    )


def _calibrated(network: Network, steps: Steps, path: Path) -> Made:
    """Writes a file for each calibrator and keeps the best."""
    wanted = network.quantization or Quantization()
    names: Iterable[Calibrator] = CALIBRATORS if wanted.calibrator == "auto" else (wanted.calibrator,)
    observers = _observed(network, steps)
    candidates: dict[str, Ranges] = {name: ranges(observers, name) for name in names}

    def write(name: str, found: Ranges) -> Path:
        target = path.with_name(f"{name}-{path.name}")
        steps.write(found, (), target)
        return target

    chosen = best(candidates, write, steps.run, *network.reference)
    replace(chosen.file, path)
    kept: Calibrator = chosen.name  # type: ignore[assignment]  # a key of the candidates
    return Made(network, steps, candidates[kept], kept, dict(chosen.errors), chosen.error)


def _adjusted(made: Made, name: str, steps: Steps | None, path: Path) -> Made:
    """Writes the file with adjusted steps too, and keeps the better of both."""
    if steps is None:
        return made
    target = path.with_name(f"adjusted-{len(made.errors)}-{path.name}")
    # Other biases, and weights that differ by less than a step, leave activations where they were.
    found = made.ranges if name != EQUALIZED else ranges(_observed(made.network, steps), made.calibrator)
    steps.write(found, (), target)
    error = output_error(steps.run(target), *made.network.reference)
    made.errors[f"{made.calibrator}, {', '.join((*made.adjustments, name))}"] = error
    if error > made.error * GAIN:
        return made
    replace(target, path)
    return Made(made.network, steps, found, made.calibrator, made.errors, error, (*made.adjustments, name))


def _observed(network: Network, steps: Steps) -> dict[str, Observer]:
    try:
        return observe(steps.activations(network.calibration_images))
    except ValueError as error:
        raise ExportError(str(error)) from error


def _within(
    budget: float, loss: Callable[[Path], float], why: str, report: QuantizationReport, made: Made, path: Path
) -> tuple[QuantizationReport, int, float]:
    """Leaves the worst layers float, as few as bring the file's `loss` within the budget; how many, and the loss."""
    names = _worst_first(report.layers, made)

    def target(count: int) -> Path:
        return path.with_name(f"{count}-islands-{path.name}")

    @cache
    def lost(count: int) -> float:
        made.steps.write(made.ranges, names[:count], target(count))
        return loss(target(count))

    count = fewest(lost, budget, len(names))
    found = lost(count)
    replace(target(count), path)
    layers = tuple(
        msgspec.structs.replace(layer, why=why) if layer.name in names[:count] else layer
        for layer in made.steps.layers(path, made.network.layer_images)
    )
    errors = report.errors | {f"{report.calibrator}, {count} layers float": made.error_of(path)}
    return msgspec.structs.replace(report, errors=errors, layers=layers), count, found


def _judged(
    most: float, report: QuantizationReport, made: Made, path: Path
) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Leaves the worst layers float until top-1 is no more than `most` points below the network's, and says so."""
    from edgebench.formats.quantize.judge import latency_ratio, told

    judge, form = made.network.judge, by_suffix(path)

    def drop(file: Path) -> Interval:
        return judge.drop(made.steps.run(file))

    throughout = found = drop(path)
    if throughout.value > most:
        report, _, _ = _within(most, lambda file: drop(file).value, DROP, report, made, path)
        found = drop(path)
    floats = [layer.name for layer in report.layers if layer.why == DROP]
    ratio = latency_ratio(made.network.graph, floats, runtime_of(form.name)) if form and floats else None
    report = msgspec.structs.replace(
        report, judged=len(judge.images), drop=found, drop_throughout=throughout.value, latency_ratio=ratio
    )
    return report, (told(judge, floats, found, throughout, ratio, most),)


def uncalibrated(network: Network, activations: str, layers: tuple[LayerError, ...] = ()) -> QuantizationReport:
    """The report on a file whose ranges come from no calibration: dynamic int8, or 8-bit weights alone."""
    return QuantizationReport(
        calibrator="minmax",
        calibration_images=0,
        held_out=len(network.held_out_images),
        layers=layers,
        activations=activations,
    )


def weights_only(
    network: Network, activations: str, layers: Sequence[LayerError]
) -> tuple[QuantizationReport, tuple[str, ...]]:
    """The report on a file of 8-bit weights alone, and the warning that it is not faster."""
    explained = tuple(msgspec.structs.replace(layer, why=ONLY_WEIGHTS) for layer in layers)
    slow = f"8-bit weights alone make the file smaller, not faster: activations are computed in {activations}"
    return uncalibrated(network, activations, explained), (slow,)


def fewest(error: Callable[[int], float], budget: float, most: int) -> int:
    """The least number from 1 to `most` whose error is within the budget, else `most`; as if errors only fell."""
    low, high = 0, 1
    while high < most and error(high) > budget:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= budget else (middle, high)
    return high


def replace(source: Path, target: Path) -> None:
    """Moves a file or a folder into the place of another."""
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)


def _worst_first(layers: Sequence[LayerError], made: Made) -> list[str]:
    """The int8 layers by what they cost the output, else by how much the error grows at each; the most first."""
    names = [layer.name for layer in layers if layer.stored == "int8"]
    costs = _costs(names, made)
    if not set(names) <= costs.keys():
        before = [0.0, *(layer.relative_l2_error for layer in layers[:-1])]
        costs = {one.name: one.relative_l2_error - earlier for one, earlier in zip(layers, before, strict=True)}
    return sorted(names, key=lambda name: -costs[name])


def _costs(names: Collection[str], made: Made) -> Mapping[str, float]:
    """The error of the output by each layer alone, of those that the network's Graph knows by their names."""
    from edgebench.formats.quantize.sensitivity import output_errors

    try:
        graph = made.network.graph
    except EdgebenchError:  # an operator that the Graph lacks
        return {}
    return output_errors(graph, made.ranges, made.network.layer_images, names)
