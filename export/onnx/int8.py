"""int8 for ONNX: static as QuantizeLinear pairs with calibrated ranges, or dynamic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import onnx
from onnx import ModelProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgebench.formats import calibrated
from edgebench.formats.examples import Array
from edgebench.formats.native import fed, runner
from edgebench.formats.network import Network
from edgebench.formats.onnx import static
from edgebench.formats.onnx.convert import describe
from edgebench.formats.onnx.layers import activations, layer_errors, named
from edgebench.formats.onnx.variant import Variant, variant
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quiet import Noise, quiet
from edgebench.graph.operators import Graph
from edgebench.ground.records import LayerError, Quantization, QuantizationReport
from edgebench.runtimes import Session
from edgebench.runtimes.onnxruntime.engine import load_exact

OPERATORS = ["Conv", "Gemm", "MatMul"]
SLOWER = (
    "dynamic int8 is slower than fp32 for convolutions (MobileNetV2: 2x, measured on x86): use static int8 for speed"
)
NOISE = Noise(logs={"root": "Please consider to run pre-processing before quantization"})


def quantize_dynamically(model: ModelProto) -> ModelProto:
    """Returns the network with unsigned 8-bit weights, a tensor at a time; `model` is left as it is.

    onnxruntime's integer convolution is four times slower still with signed weights.
    """
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.value_info[:]  # the quantizer transposes dense weights, whose stated shapes would then be wrong
    with TemporaryDirectory() as folder, quiet(NOISE):
        path = Path(folder) / "dynamic.onnx"
        quantize_dynamic(copied, path, op_types_to_quantize=OPERATORS, weight_type=QuantType.QUInt8)
        return onnx.load_model(path)


def write(
    network: Network, model: ModelProto, path: Path, save: Callable[[ModelProto, Path], None]
) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes `path` in int8 from the float `model`; returns what was decided, and warnings."""
    wanted = network.quantization or Quantization()
    if wanted.scheme == "dynamic":
        save(quantize_dynamically(model), path)
        return calibrated.uncalibrated(network, "uint8, by each inference's own range"), (SLOWER,)

    def layers(float_model: ModelProto, file: Path, images: Sequence[Array]) -> Sequence[LayerError]:
        return layer_errors(float_model, onnx.load_model(file), images)

    return static_file(network, path, variant(wanted.activations), Made(save, load_exact, layers))


@dataclass(frozen=True)
class Made:
    """What becomes of a quantized ONNX network: a file, a session of that, and the errors of its layers against the
    float network's."""

    save: Callable[[ModelProto, Path], None]
    load: Callable[[str], Session]
    layers: Callable[[ModelProto, Path, Sequence[Array]], Sequence[LayerError]]


def static_file(
    network: Network, path: Path, chosen: Variant, made: Made
) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes `path` in static int8, in the format that `made` is of; returns what was decided, and warnings."""

    def of(graph: Graph) -> calibrated.Steps:
        model, _ = translate(graph, tuple(network.outputs), network.inputs)
        ends = [[describe(value) for value in side] for side in (model.graph.input, model.graph.output)]

        def write(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
            nodes = [node.name for node in model.graph.node if named(node) in kept]
            made.save(static.quantize(model, ranges, chosen, nodes), target)

        def run(file: Path) -> Callable[[Array], Array]:
            return fed(runner(made.load(str(file)), list(network.outputs)), *ends)

        return calibrated.Steps(partial(activations, model), write, run, partial(made.layers, model))

    steps = calibrated.of_graph(network, network.graph, of, chosen.levels)
    report, warnings = calibrated.make(network, steps, path)
    return msgspec.structs.replace(report, activations=str(chosen)), warnings
