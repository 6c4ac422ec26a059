"""Which processor of a device an estimate is for, and the latency on one that is no CPU."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np

from edgebench.estimate import errors, known
from edgebench.estimate.accelerated import figures
from edgebench.estimate.accelerated.errors import Case, shipped
from edgebench.estimate.accelerated.form import FORMS, TERMS, kinds, quantities
from edgebench.estimate.form import Floats
from edgebench.estimate.hierarchy import soc_of
from edgebench.estimate.published import text
from edgebench.graph.operators import Graph
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Interval, ModelSpec, Precision
from edgebench.machines.profiles import PROCESSORS, DeviceProfile, Processor
from edgebench.models import resolve
from edgebench.runtimes import runtime as entry

FEWEST: Final = 12  # networks that a chip's figures must be of
_WIDER: Final = 1.5  # a reason to doubt
_BEYOND: Final = 2.0  # this many times outside the fitted networks is still no reason
_UNSEEN: Final = 0.15  # share of the time beyond what any fitted network spends on the same term
_MORE: Final = "the interval is wider"
_WORDS: Final = {
    "layers": "convolutions",
    "channelwise": "depthwise convolutions and matrix products",
    "weights": "reading weights",
    "activations": "moving activations",
    "slow": "activations, normalisations and transposes that run beside the convolutions",
    "spilled": "large tensors",
    "operators": "calls of small operators",
    "fixed": "starting an inference",
}


def check(device: DeviceProfile, processor: str | None) -> None:
    """Raises UsageError for a processor that does not exist or that the device's profile does not have."""
    if processor is None:
        return
    if processor not in PROCESSORS:
        raise unknown("processor", processor, PROCESSORS)
    have = ["cpu", *(each.kind for each in device.processors)]
    if processor not in have:
        raise UsageError(
            f"the profile of {device.name} has no {processor}: choose {' or '.join(have)}, or add it as [[processors]]"
        )


def processor(device: DeviceProfile, runtime: str, precision: str, wanted: str | None = None) -> str:
    """The one that is `wanted`, else the CPU, or the first other one if only that has an estimate."""
    check(device, wanted)
    if wanted is not None:
        return wanted
    if any(cell == (runtime, precision) for cell in known.cells(device)):
        return "cpu"
    able = (each.kind for each in device.processors if constants(device, each.kind, runtime, precision) is not None)
    return next(able, "cpu")


def cells(device: DeviceProfile) -> dict[tuple[str, Precision, str], Case]:
    """The runtimes, precisions and processors beside the CPU that there is an estimate for, and how far it is off."""
    from edgebench.runtimes import every

    return {
        (runtime.name, precision, each.kind): shipped()[each.unit, computed(precision), "new"]
        for each in device.processors
        for runtime in every()
        for precision in known.PRECISIONS
        if constants(device, each.kind, runtime.name, precision) is not None
    }


def constants(device: DeviceProfile, processor: str, runtime: str, precision: str) -> Floats | None:
    """Seconds a unit of each term, (terms,); None where nothing, or too little, is published of the chip."""
    part = _part(device, processor)
    if part is None or part.unit not in entry(runtime).units:
        return None
    key = (part.unit, computed(precision))
    enough = len(networks_of(key, soc_of(device))) >= FEWEST
    return _constants().get((*key, soc_of(device))) if enough else None


def computed(precision: str) -> Precision:
    """What files of a precision are computed in: such processors have no fp32."""
    return "int8" if precision == "int8" else "fp16"


def interval(
    graph: Graph, device: DeviceProfile, processor: str, runtime: str, precision: str, spec: ModelSpec
) -> tuple[Interval, tuple[str, ...], str] | None:
    """The latency with its 90% interval, warnings, and what it rests on; None where there is no estimate."""
    part, seconds = _part(device, processor), constants(device, processor, runtime, precision)
    if part is None or seconds is None:
        return None
    key = (part.unit, computed(precision))
    needed = quantities(graph, FORMS[key])
    effect = _effect(key, spec)
    value = float(seconds @ needed) * math.exp(effect or 0.0)
    case = shipped()[*key, "new" if effect is None else "known"]
    doubts = _doubts(key, needed, seconds, kinds(graph))
    spread = case.spread * _WIDER ** len(doubts)
    latency = Interval(
        value=value, low=value * math.exp(-spread), high=value * math.exp(spread), confidence=errors.CONFIDENCE
    )
    warnings = [f"for the {processor} ({part.title}), which computes in {key[1]}", *doubts]
    figures_of = len(networks_of(key, soc_of(device)))
    origin = (
        f"published latencies of {figures_of} networks on the {part.title} of {soc_of(device)}, and of other chips;"
        f" such estimates are off by {case.median:.0%} (median), {case.p90:.0%} (90th percentile)"
    )
    return latency, tuple(warnings), origin


def _effect(key: figures.Key, spec: ModelSpec) -> float | None:
    """ln of what the form is off by for a network that tables have, at its own scaling point; None for others."""
    effect = _effects().get((*key, spec.name))
    return effect if effect is not None and resolve(spec.name).key == spec.key else None


def missing(device: DeviceProfile, processor: str, runtime: str, precision: str) -> str:
    """Why there is no estimate for a processor beside the CPU, and what there is or would be needed."""
    part = _part(device, processor)
    if part is None:
        raise UsageError(f"the profile of {device.name} has no {processor}")
    sentence = f"no estimate for the {processor} of {device.name} with {runtime} {precision}"
    able = sorted({f"{name} {of}" for name, of, kind in cells(device) if kind == processor})
    if able:
        return f"{sentence}; there are estimates for {', '.join(able)}"
    key, soc = (part.unit, computed(precision)), soc_of(device)
    found = len(networks_of(key, soc))
    others = sorted({chip for unit, _, chip in _constants() if unit == part.unit})
    return (
        f"{sentence}: figures of {found} networks on {soc} are published, and {FEWEST} would be needed. "
        f"Chips with an estimate: {', '.join(others)}"
    )


def _part(device: DeviceProfile, processor: str) -> Processor | None:
    return next((each for each in device.processors if each.kind == processor), None)


def _doubts(key: figures.Key, needed: Floats, seconds: Floats, has: frozenset[str]) -> list[str]:
    """What of a network lies outside the fitted ones: each a reason for a wider interval."""
    fitted = figures.networks(*key).values()
    doubts = []
    if new := sorted(has - frozenset().union(*(network.kinds for network in fitted))):
        doubts.append(f"no network with a published latency there has {', '.join(new)}: {_MORE}")
    if left := sorted(has.intersection(FORMS[key].left_out)):
        doubts.append(f"some tables have networks with {left[0]} at 5 to 20 times as much, left to the CPU: {_MORE}")
    table = np.array([network.quantities for network in fitted])
    layers = TERMS.index("layers")
    least, most = float(table[:, layers].min()), float(table[:, layers].max())
    if not least / _BEYOND <= needed[layers] <= most * _BEYOND:
        doubts.append(f"outside the sizes of the networks with published latencies there: {_MORE}")
    shares = table * seconds / (table @ seconds)[:, None]
    excess = needed * seconds / (needed @ seconds) - shares.max(0)
    if excess.max() >= _UNSEEN:
        what = _WORDS[TERMS[int(excess.argmax())]]
        doubts.append(f"more of the time is in {what} than in any network with a published latency there: {_MORE}")
    return doubts


def networks_of(key: figures.Key, soc: str) -> frozenset[str]:
    """The networks of which a chip's unit has figures in a precision."""
    return frozenset(
        network
        for table in figures.tables()
        if (table.unit, table.precision, table.soc) == (*key, soc)
        for network, _ in table.rows
    )


@cache
def _constants() -> Mapping[tuple[str, str, str], Floats]:
    return {
        (line["unit"], line["precision"], line["soc"]): np.array([float(line[term] or 0) for term in TERMS])
        for line in csv.DictReader(text("accelerated_constants.csv").splitlines())
    }


@cache
def _effects() -> Mapping[tuple[str, str, str], float]:
    return {
        (line["unit"], line["precision"], line["network"]): float(line["value"])
        for line in csv.DictReader(text("accelerated_effects.csv").splitlines())
    }
