"""int8 for ONNX: static as QuantizeLinear pairs with calibrated ranges, or dynamic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import msgspec
import numpy as np
import onnx
from onnx import ModelProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgebench.formats import calibrated
from edgebench.formats.examples import Array
from edgebench.formats.native import plain
from edgebench.formats.network import Network
from edgebench.formats.onnx import static
from edgebench.formats.onnx.layers import activations, layer_errors, named
from edgebench.formats.onnx.variant import Variant, variant
from edgebench.formats.quantize.adjust import OBSERVED, Weighted, shifts
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.errors import UsageError
from edgebench.ground.records import LayerError, Quantization, QuantizationReport
from edgebench.runtimes.onnxruntime.engine import load_exact

OPERATORS = ["Conv", "Gemm", "MatMul"]
SLOWER = (
    "dynamic int8 is slower than fp32 for convolutions (MobileNetV2: 2x, measured on x86): use static int8 for speed"
)
BIAS = 2  # its place among the inputs
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
    report, warnings = calibrated.make(network, _steps(network, model, chosen, save), path)
    return msgspec.structs.replace(report, activations=str(chosen)), warnings


def _steps(
    network: Network,
    model: ModelProto,
    chosen: Variant,
    save: Callable[[ModelProto, Path], None],
    moved: Mapping[str, Array] = MappingProxyType({}),
) -> calibrated.Steps:
    """`moved` is what rounding adds to the outputs' means, by node: biases take it back where a layer is rounded."""

    def write(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
        nodes = [node.name for node in model.graph.node if named(node) in kept]
        biased = with_biases(model, {name: -each for name, each in moved.items() if name not in nodes})
        save(static.quantize(biased, ranges, chosen, nodes), target)

    def layers(file: Path, images: Sequence[Array]) -> Sequence[LayerError]:
        return layer_errors(model, onnx.load_model(file), images[: calibrated.LAYER_IMAGES])

    def corrected() -> calibrated.Steps:
        found = shifted(model, network.calibration_images[:OBSERVED], chosen.levels)
        return _steps(network, model, chosen, save, found)

    def run(file: Path) -> Callable[[Array], Array]:
        return plain(load_exact(str(file)), list(network.outputs))

    return calibrated.Steps(partial(activations, model), write, run, layers, corrected=corrected)


def shifted(model: ModelProto, images: Sequence[Array], levels: int) -> dict[str, Array]:
    """What weights rounded to `levels` add to the means of their layers, by node; see quantize.adjust."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    layers: dict[str, Weighted] = {}
    for node in model.graph.node:
        options = {each.name: each.i for each in node.attribute}
        known = len(node.input) > 1 and node.input[1] in constants
        if known and (node.op_type == "Conv" or (node.op_type == "Gemm" and options.get("transB"))):
            weight = onnx.numpy_helper.to_array(constants[node.input[1]])
            layers[node.name] = Weighted(node.input[0], weight, options.get("group", 1), levels)
    return shifts(layers, activations(model, images, {layer.reads for layer in layers.values()}))


def with_biases(model: ModelProto, added: Mapping[str, Array]) -> ModelProto:
    """A copy with these values added to the biases of its nodes."""
    copied = ModelProto()
    copied.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copied.graph.initializer}
    for node in copied.graph.node:
        if node.name in added:
            given = constants.get(node.input[BIAS]) if len(node.input) > BIAS else None
            before = np.float32(0) if given is None else onnx.numpy_helper.to_array(given)
            name = f"{node.name}.bias"
            copied.graph.initializer.append(onnx.numpy_helper.from_array(before + added[node.name], name))
            node.input[:] = [*node.input[:BIAS], name]
    return copied
