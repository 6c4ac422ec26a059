"""int8 for ONNX: static as QuantizeLinear pairs with calibrated ranges, or dynamic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
from edgebench.ground.errors import UsageError
from edgebench.ground.records import LayerError, Quantization, QuantizationReport
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
    """Writes `path` in int8 from the float `model`; returns what was decided, and warnings.

    Raises UsageError for int8 input and output or 8-bit weights alone, which ONNX files do not have here.
    """
    wanted = network.quantization or Quantization()
    if not wanted.float_io or wanted.scheme == "weights":
        asked = "8-bit weights alone" if wanted.scheme == "weights" else "int8 input and output"
        raise UsageError(f"{asked} are not offered in onnx: leave that option out")
    if wanted.scheme == "dynamic":
        save(quantize_dynamically(model), path)
        return calibrated.uncalibrated(network, "uint8, by each inference's own range"), (SLOWER,)
    chosen = variant(wanted.activations)
    steps = calibrated.of_graph(network, network.graph, _steps(network, chosen, save), chosen.levels)
    report, warnings = calibrated.make(network, steps, path)
    return msgspec.structs.replace(report, activations=str(chosen)), warnings


def _steps(
    network: Network, chosen: Variant, save: Callable[[ModelProto, Path], None]
) -> Callable[[Graph], calibrated.Steps]:
    def of(graph: Graph) -> calibrated.Steps:
        model, _ = translate(graph, tuple(network.outputs), network.inputs)
        ends = [[describe(value) for value in side] for side in (model.graph.input, model.graph.output)]

        def write(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
            nodes = [node.name for node in model.graph.node if named(node) in kept]
            save(static.quantize(model, ranges, chosen, nodes), target)

        def layers(file: Path, images: Sequence[Array]) -> Sequence[LayerError]:
            return layer_errors(model, onnx.load_model(file), images[: calibrated.LAYER_IMAGES])

        def run(file: Path) -> Callable[[Array], Array]:
            return fed(runner(load_exact(str(file)), list(network.outputs)), *ends)

        return calibrated.Steps(partial(activations, model), write, run, layers)

    return of
