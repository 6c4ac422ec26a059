"""int8 for TFLite: our own float file, quantised with calibrated ranges, or with ranges found at run time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from edgebench.formats import calibrated
from edgebench.formats.examples import Array
from edgebench.formats.native import fed, runner
from edgebench.formats.network import Conversion, Network
from edgebench.formats.tflite.activations import activations, layer_errors
from edgebench.formats.tflite.inspect import foreign
from edgebench.formats.tflite.quantizer import FloatFile
from edgebench.formats.tflite.writer import write
from edgebench.graph.operators import Activation, Binary, Graph, LocalResponseNorm, MatMul, Operator, Reduce, Softmax
from edgebench.ground.records import LayerError, Quantization, QuantizationReport
from edgebench.runtimes.litert.engine import load

SLOWER = (
    "dynamic-range int8 is slower than fp32 where there are depthwise convolutions, which fall out of XNNPACK; static "
    "int8 (--scheme static) is faster"
)
WEIGHTS_ONLY = "8-bit weights alone make the file smaller, not faster: activations are computed in float32"
WARNINGS = {"dynamic": SLOWER, "weights": WEIGHTS_ONLY}
# Operators that stay float, and why.
FLOAT: Final = {
    LocalResponseNorm: "its squares and roots need more than 8 bits",
    Softmax: "probabilities need more than 8 bits",
    MatMul: "XNNPACK multiplies two computed matrices in float alone",
}
ISLANDS: Final = ("gelu", "gelu_tanh")
ISLAND: Final = "XNNPACK has it in float alone"
NORMALISING: Final = "its squares and roots need more than 8 bits"
UNEVEN: Final = ("exp", "log", "sqrt", "rsqrt", "square", "softplus", "mish", "erf")
ARITHMETIC: Final[tuple[type[Operator], ...]] = (Binary, Reduce, Activation)
NO_KERNEL: Final = "there is no int8 form of it"


def convert(network: Network, path: Path) -> Conversion:
    """Writes `path` as the network's quantization asks; the report holds what was decided.

    Raises ExportError when the network has an operator that is not covered, or an activation is not finite.
    """
    wanted = network.quantization or Quantization()
    original = path.with_name(f"float-{path.name}")
    written = write(network.graph, original, "int8", tuple(network.outputs), network.inputs)
    if wanted.scheme == "static":
        of = steps(network, original, float_io=wanted.float_io)
        report, warnings = calibrated.make(network, calibrated.of_graph(network, network.graph, of), path)
    else:
        report, warnings = _without_ranges(network, original, path)
    contents = foreign(path)
    inputs, outputs = (
        tuple(
            msgspec.structs.replace(tensor, dtype=found.dtype, scale=found.scale, zero_point=found.zero_point)
            for tensor, found in zip(side, tensors, strict=True)
        )
        for side, tensors in ((written.inputs, contents.inputs), (written.outputs, contents.outputs))
    )
    return Conversion(
        inputs=inputs,
        outputs=outputs,
        operators=contents.operators,
        rewrites=dict(written.rewrites),
        warnings=(*written.notes, *warnings),
        quantization=report,
    )


def steps(network: Network, path: Path, *, float_io: bool) -> Callable[[Graph], calibrated.Steps]:
    """How a graph of the network becomes static int8. `path` is its float file; those of other graphs lie beside it."""
    numbers = count()

    def of(graph: Graph) -> calibrated.Steps:
        original = path
        if graph is not network.graph:
            original = path.with_name(f"{next(numbers)}-{path.name}")
            write(graph, original, "int8", tuple(network.outputs), network.inputs)
        source, kept_always = FloatFile(original), floats(graph)

        def make(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
            source.quantize(target, "static", ranges, {*kept, *kept_always}, float_io=float_io)

        def layers(file: Path, images: Sequence[Array]) -> Sequence[LayerError]:
            found = layer_errors(graph, original, file, images)
            lacking = {each.name: NO_KERNEL for each in found if each.stored == "float"} | kept_always
            return [msgspec.structs.replace(each, why=lacking.get(each.name, "")) for each in found]

        return calibrated.Steps(partial(activations, original), make, run, layers)

    return of


def run(path: Path) -> Callable[[Array], Array]:
    """Loads a written file as if it were torch's network."""
    contents = foreign(path)
    return fed(runner(load(str(path)), [output.name for output in contents.outputs]), contents.inputs, contents.outputs)


def floats(graph: Graph) -> dict[str, str]:
    """The operators that stay float in every int8 file, and why.

    Of a normalisation all arithmetic of its module stays float: squares span twice the decades of what they are of.
    """
    readers: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    found = {each.name: FLOAT[type(each)] for each in graph.operators if type(each) in FLOAT}
    found |= {each.name: ISLAND for each in graph.operators if getattr(each, "function", "") in ISLANDS}
    waiting: list[Operator] = [
        each
        for each in graph.operators
        if (isinstance(each, Activation) and each.function in UNEVEN)
        or (isinstance(each, Binary) and each.function in ("div", "pow"))
    ]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = NORMALISING
            near = [*graph.producers(one), *readers.get(one.name, [])]
            waiting += [other for other in near if isinstance(other, ARITHMETIC) and other.module == one.module]
    return found


def _without_ranges(network: Network, original: Path, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    wanted = network.quantization or Quantization()
    FloatFile(original).quantize(path, wanted.scheme)
    layers = layer_errors(network.graph, original, path, network.layer_images)
    activations = "float32" if wanted.scheme == "weights" else "int8, by each inference's own range"
    return calibrated.uncalibrated(network, activations, layers), (WARNINGS[wanted.scheme],)
