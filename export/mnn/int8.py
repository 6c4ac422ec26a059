"""int8 for MNN: 8-bit weights alone, or activations too, with our ranges.

MNN's own quantizer calibrates with images of its own reading. Its converter takes scales from a file instead, rounds
the weights of convolutions and dense layers by them, and notes the scales of their inputs and outputs, by which the
engine computes in 8 bits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from onnx import ModelProto

from edgebench.formats import calibrated
from edgebench.formats.inspect import Operator
from edgebench.formats.layers import torch_names
from edgebench.formats.mnn.inspect import CONVERSIONS, KINDS, MOVES, OPERATORS, ROUNDED, operators
from edgebench.formats.mnn.layers import layer_errors
from edgebench.formats.mnn.tool import converted, run
from edgebench.formats.native import plain
from edgebench.formats.network import Network
from edgebench.formats.onnx.layers import activations, float_tensors
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quantize.ranges import STEPS, Range
from edgebench.graph.operators import Graph
from edgebench.ground.flatbuffer import Table
from edgebench.ground.records import Quantization, QuantizationReport
from edgebench.runtimes import runtime

WEIGHTS: Final = ("--weightQuantBits", "8")
LOWEST, LARGEST = -128, 127
RELUS: Final = ("ReLU", "ReLU6")
HANDED_ON: Final = (*MOVES, *CONVERSIONS, *RELUS, "Pooling", "Pooling3D", "Interp")  # what hands a scale on
MATMUL: Final = "__matmul_converted"  # what the converter adds to the name of a dense layer's output


def write(network: Network, model: ModelProto, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes `path` in int8 from the float ONNX `model`; returns what was decided, and warnings."""
    if (network.quantization or Quantization()).scheme == "weights":
        original = path.with_name(f"float-{path.name}")
        converted(model, original)
        converted(model, path, *WEIGHTS)
        names = _names(network, original)
        layers = layer_errors(original, path, network.layer_images, names)
        return calibrated.weights_only(network, "float32", layers)
    numbers = count()

    def of(graph: Graph) -> calibrated.Steps:
        return _steps(network, graph, path.with_name(f"float-{next(numbers)}-{path.name}"))

    report, warnings = calibrated.make(network, calibrated.of_graph(network, network.graph, of), path)
    return msgspec.structs.replace(report, activations="int8"), warnings


def _steps(network: Network, graph: Graph, original: Path) -> calibrated.Steps:
    model, _ = translate(graph, tuple(network.outputs), network.inputs)
    converted(model, original)
    names = _names(network, original)
    layers = rounded_layers(original, {*float_tensors(model), *(each.name for each in model.graph.input)})
    observed = {end.origin for one in layers for end in (one.given, one.made)}

    def write(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
        scales = target.with_suffix(".json")
        chosen = [_told(one, ranges) for one in layers if names[one.name] not in kept]
        algorithm = {"type": "QUANTIZE", "quant_params": {"layer": chosen}}
        scales.write_text(json.dumps({"version": "0.0.0", "algo": [algorithm]}), "utf-8")
        run("MNN", original, target, "--compressionParamsFile", str(scales))

    return calibrated.Steps(
        activations=partial(activations, model, names=observed),
        write=write,
        run=lambda file: plain(runtime("mnn").load(str(file), exact=True), list(network.outputs)),
        layers=lambda file, images: layer_errors(original, file, images, names),
    )


def _names(network: Network, original: Path) -> dict[str, str]:
    """Torch's names of the layers with weights, by the file's."""
    layers = [one for one in operators(original) if one.weights]
    rounded = {one.name: one.weights["float32"] // 4 for one in layers if one.kind in ROUNDED}
    return {one.name: one.name for one in layers} | torch_names(network, rounded)


@dataclass(frozen=True)
class End:
    """A tensor of a file, and the one of the ONNX network whose values it has."""

    name: str
    origin: str


@dataclass(frozen=True)
class Layer:
    """A layer that can be rounded, and the step of the weights of each of its output channels."""

    name: str
    steps: list[float]
    given: End
    made: End


def rounded_layers(path: Path, known: Collection[str]) -> list[Layer]:
    """The layers of a float file that the converter can round; `known` are the tensors of the ONNX network."""
    steps, found = _steps_of_weights(path), []
    origins = {name: name for name in known}
    every = operators(path)
    for one in every:
        made = one.outputs[0]
        if (own := made.removesuffix(MATMUL)) in known:
            origins[made] = own
        elif one.kind in (*MOVES, *CONVERSIONS) and one.inputs[0] in origins:
            origins[made] = origins[one.inputs[0]]
        if one.name in steps and len(one.inputs) == 1 and {made, *one.inputs} <= origins.keys():
            ends = (End(name, origins[name]) for name in (*one.inputs, made))
            found.append(Layer(one.name, steps[one.name], *ends))
    return _scaled(found, every)


def _scaled(layers: list[Layer], every: Sequence[Operator]) -> list[Layer]:
    """Those of the layers whose scales reach no tensor that holds more: the engine hands them on to what has none.

    What is pooled or resized would then keep to the range of what comes out; so would what a ReLU and others read.
    """
    makers = {name: one for one in every for name in one.outputs}
    readers = Counter(name for one in every for name in one.inputs)
    while True:
        scaled = {end.name for one in layers for end in (one.given, one.made)}
        kept = [one for one in layers if not _narrows(one.given.name, makers, readers, scaled)]
        if len(kept) == len(layers):
            return kept
        layers = kept


def _narrows(name: str, makers: Mapping[str, Operator], readers: Mapping[str, int], scaled: Collection[str]) -> bool:
    maker = makers.get(name)
    if maker is None or maker.kind not in HANDED_ON or maker.inputs[0] in scaled:
        return False
    before = maker.inputs[0]
    harmless = maker.kind in (*MOVES, *CONVERSIONS) or (maker.kind in RELUS and readers[before] == 1)
    return not harmless or _narrows(before, makers, readers, scaled)


def _steps_of_weights(path: Path) -> dict[str, list[float]]:
    found = {}
    for one in Table.root(path.read_bytes()).tables(OPERATORS):
        layer = one.table(2) if KINDS.get(one.number(5, "i")) in ROUNDED else None
        weights = layer.array(1, "<f4") if layer else np.zeros(0, np.float32)
        if layer and weights.size:
            channels = weights.reshape(layer.table(0).number(10, "i"), -1)  # type: ignore[union-attr]
            found[one.text(3)] = [float(most) / LARGEST or 1.0 for most in np.abs(channels).max(axis=1)]
    return found


def _told(layer: Layer, ranges: calibrated.Ranges) -> dict[str, Any]:
    """A layer as the converter reads it (tools/converter/source/compression/MNN_compression.proto)."""
    weights = {"name": layer.name, "scales": layer.steps, "clamp_min": -LARGEST, "clamp_max": LARGEST}
    given, made = (_scale(end.name, ranges[end.origin]) for end in (layer.given, layer.made))
    return {"input": [given], "output": [made], "weight": [weights]}


def _scale(name: str, kept: Range) -> dict[str, Any]:
    low, high = kept
    step = (high - low) / STEPS
    zero = LOWEST - round(low / step)
    return {"name": name, "scales": [step], "zero_point": zero, "clamp_min": LOWEST, "clamp_max": LARGEST}
