"""Static int8 in any format: observe, write a file for each calibrator, keep the best, leave float what costs most.

A format says how to do each of these (`Steps`). Everything is decided by running the written files on held-out images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edgebench.errors import ExportError
from edgebench.export.examples import Array
from edgebench.export.network import Network
from edgebench.export.quantize.choose import Run, best
from edgebench.export.quantize.ranges import CALIBRATORS, Range, observe, ranges
from edgebench.records import Calibrator, LayerError, Quantization, QuantizationReport

BUDGET = "kept float to stay within the error budget"
ROUNDS = 7  # of leaving layers float, each twice as many as the one before: 127 at most

Tensors = Mapping[str, npt.NDArray[np.float32]]
Ranges = Mapping[str, Range]


@dataclass(frozen=True)
class Steps:
    """What a format knows to do.

    `activations` yields the float network's tensors for each image. `write` makes an int8 file from ranges and the
    names of the layers that stay float. `run` loads a file as if it were torch's network, `layers` measures it layer
    by layer.
    """

    activations: Callable[[Sequence[Array]], Iterable[Tensors]]
    write: Callable[[Ranges, Collection[str], Path], None]
    run: Callable[[Path], Run]
    layers: Callable[[Path, Sequence[Array]], Sequence[LayerError]]


def make(network: Network, steps: Steps, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes `path`, the int8 file with the least error on the held-out images; returns what was decided, and warnings.

    Raises ExportError when an activation is not finite.
    """
    wanted = network.quantization or Quantization()
    candidates = _candidates(network, steps, wanted.calibrator)
    held_out, expected = network.reference

    def write(name: str, found: dict[str, Range]) -> Path:
        target = path.with_name(f"{name}-{path.name}")
        steps.write(found, (), target)
        return target

    chosen = best(candidates, write, steps.run, held_out, expected)
    os.replace(chosen.file, path)
    layers = steps.layers(path, held_out)
    report = QuantizationReport(
        calibrator=chosen.name,  # type: ignore[arg-type]  # a key of the candidates
        calibration_images=len(network.calibration_images),
        held_out=len(held_out),
        errors=chosen.errors,
        layers=tuple(layers),
    )
    if wanted.error_budget is None or chosen.error <= wanted.error_budget:
        return report, ()
    return _within(wanted.error_budget, report, candidates[chosen.name], network, steps, path)


def _candidates(network: Network, steps: Steps, calibrator: Calibrator) -> dict[str, dict[str, Range]]:
    try:
        observers = observe(steps.activations(network.calibration_images))
    except ValueError as error:
        raise ExportError(str(error)) from error
    names: Iterable[Calibrator] = CALIBRATORS if calibrator == "auto" else (calibrator,)
    return {name: ranges(observers, name) for name in names}


def _within(
    budget: float, report: QuantizationReport, found: Ranges, network: Network, steps: Steps, path: Path
) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Leaves the worst layers float, twice as many each time, until the file's error is within the budget."""
    held_out, expected = network.reference
    for kept in _worst_first(report.layers):
        target = path.with_name(f"islands-{path.name}")
        steps.write(found, kept, target)
        chosen = best({"islands": target}, lambda _, made: made, steps.run, held_out, expected)
        replace(target, path)
        if chosen.error <= budget:
            break
    layers = tuple(_explained(layer, kept) for layer in steps.layers(path, held_out))
    errors = report.errors | {f"{report.calibrator}, {len(kept)} layers float": chosen.error}
    warnings = () if chosen.error <= budget else (_beyond(budget, chosen.error, len(kept)),)
    return msgspec.structs.replace(report, errors=errors, layers=layers), warnings


def replace(source: Path, target: Path) -> None:
    """Moves a file or a folder into the place of another."""
    if target.is_dir():
        os.replace(target, source.with_name(f"replaced-{target.name}"))
    os.replace(source, target)


def _worst_first(layers: Sequence[LayerError]) -> Iterator[list[str]]:
    """The 1, 3, 7... layers at which the error grows most over the layer before, by name."""
    before = [0.0, *(layer.relative_l2_error for layer in layers[:-1])]
    growth = {
        layer.name: layer.relative_l2_error - earlier
        for layer, earlier in zip(layers, before, strict=True)
        if layer.stored == "int8"
    }
    names = sorted(growth, key=lambda name: -growth[name])
    for number in range(1, ROUNDS + 1):
        yield names[: 2**number - 1]
        if 2**number > len(names):
            return


def _explained(layer: LayerError, kept: Collection[str]) -> LayerError:
    return msgspec.structs.replace(layer, why=BUDGET) if layer.name in kept else layer


def _beyond(budget: float, error: float, count: int) -> str:
    return f"the error budget {budget:g} is not met: {error:.2g} with {count} layers kept float"
