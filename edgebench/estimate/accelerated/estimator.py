"""The latency on a processor that is no CPU, with its interval."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Final

import numpy as np

from edgebench.estimate import errors
from edgebench.estimate.accelerated import figures
from edgebench.estimate.accelerated.errors import shipped
from edgebench.estimate.accelerated.form import FORMS, TERMS, kinds, quantities, step_s, works
from edgebench.estimate.accelerated.known import Key, computed, estimable, fitted, networks_of, part_of
from edgebench.estimate.costs import Costs, Named
from edgebench.estimate.form import Floats, batch, in_ticks
from edgebench.estimate.hierarchy import soc_of
from edgebench.estimate.published import text
from edgebench.graph.operators import Graph
from edgebench.ground.records import Interval, ModelSpec
from edgebench.machines.profiles import DeviceProfile
from edgebench.models import resolve

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


def constants(device: DeviceProfile, processor: str, runtime: str, precision: str) -> Floats | None:
    """Seconds a unit of each term, (terms,); None where nothing, or too little, is published of the chip."""
    part = part_of(device, processor)
    if part is None or not estimable(device, processor, runtime, precision):
        return None
    return _constants()[part.unit, computed(precision), soc_of(device)]


def interval(
    graph: Graph, device: DeviceProfile, processor: str, runtime: str, precision: str, spec: ModelSpec
) -> tuple[Interval, tuple[str, ...], str] | None:
    """The latency with its 90% interval, warnings, and what it rests on; None where there is no estimate."""
    part, seconds = part_of(device, processor), constants(device, processor, runtime, precision)
    if part is None or seconds is None:
        return None
    key = (part.unit, computed(precision))
    needed, effect = quantities(graph, FORMS[key]), _effect(key, spec)
    value = _latency_s(graph, _costs(key, seconds, effect))
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


def costs(
    device: DeviceProfile, processor: str, runtime: str, precision: str, spec: ModelSpec | None = None
) -> Costs | None:
    """What the processor takes; what is known of a network, where its `spec` is given. None as `interval`."""
    part, seconds = part_of(device, processor), constants(device, processor, runtime, precision)
    if part is None or seconds is None:
        return None
    key = (part.unit, computed(precision))
    return _costs(key, seconds, _effect(key, spec) if spec else None)


def _costs(key: Key, seconds: Floats, effect: float | None) -> Costs:
    scaled = seconds * math.exp(effect or 0.0)
    fixed_s = float(in_ticks(scaled[:1])[0])
    return Costs(_works(key), partial(step_s, form=FORMS[key], constants=scaled), fixed_s)


@cache
def _works(key: Key) -> Named:
    return lambda graph, only: works(graph, FORMS[key], only)


def _latency_s(graph: Graph, of: Costs) -> float:
    """One network: a batch of one."""
    return float(of.seconds(batch([[work for _, work in of.works(graph, None)]])).sum()) + of.fixed_s


def _effect(key: Key, spec: ModelSpec) -> float | None:
    """ln of what the form is off by for a network that tables have, at its own scaling point; None for others."""
    effect = _effects().get((*key, spec.name))
    return effect if effect is not None and resolve(spec.name).key == spec.key else None


def _doubts(key: Key, needed: Floats, seconds: Floats, has: frozenset[str]) -> list[str]:
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


@cache
def _constants() -> Mapping[tuple[str, str, str], Floats]:
    return {key: np.array([float(line[term] or 0) for term in TERMS]) for key, line in fitted().items()}


@cache
def _effects() -> Mapping[tuple[str, str, str], float]:
    return {
        (line["unit"], line["precision"], line["network"]): float(line["value"])
        for line in csv.DictReader(text("accelerated_effects.csv").splitlines())
    }
