"""The layers of an int8 ONNX network: which are int8, why the others are not, and what each costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto

from edgebench.formats.examples import Array, apart
from edgebench.formats.inside import Inside
from edgebench.formats.layers import relative_errors
from edgebench.formats.onnx.static import OPERATORS, WEIGHTED
from edgebench.ground.records import LayerError
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

Tensors = dict[str, Array]


def activations(model: ModelProto, images: Iterable[Array], names: Iterable[str] | None = None) -> Iterator[Tensors]:
    """Yields, for each image (1, C, H, W), every float32 tensor by name; only those of `names` where given.

    The network's inputs are among them; several come as one, as `with_beside` makes them.
    """
    session, wanted = _with_outputs(model, set(names) if names is not None else None)
    for image in images:
        given = _given(session, image)
        found = dict(zip(wanted, session.run(wanted, given), strict=True))
        yield {name: values for name, values in given.items() if values.dtype == np.float32} | found


def _given(session: Any, x: Array) -> Tensors:
    entries = session.get_inputs()
    parts = apart(x, [tuple(size if isinstance(size, int) else 1 for size in one.shape[1:]) for one in entries])
    kinds = [one.type.removeprefix("tensor(").removesuffix(")").replace("float", "float32") for one in entries]
    return {one.name: part.astype(kind) for one, part, kind in zip(entries, parts, kinds, strict=True)}


def inside(path: Path) -> Inside:
    """A function that gives what every operator of a file computes for one input (1, C, H, W)."""
    model = onnx.load(path)
    session, wanted = _with_outputs(model, None)
    order = [name for name in float_tensors(model) if name in wanted]
    return lambda x: zip(order, session.run(order, _given(session, x)), strict=True)


def _with_outputs(model: ModelProto, names: set[str] | None) -> tuple[Any, list[str]]:
    copied = ModelProto()
    copied.CopyFrom(model)
    present = {value.name for value in copied.graph.output}
    inner = [name for name in float_tensors(copied) if name not in present and (names is None or name in names)]
    copied.graph.output.extend(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = onnxruntime.InferenceSession(copied.SerializeToString(), options(1, exact=True), providers=PROVIDERS)
    return session, [*(value.name for value in model.graph.output), *inner]


def float_tensors(model: ModelProto) -> list[str]:
    """The float32 tensors that operators write, in order. Raises onnx's own errors where types cannot be inferred."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    typed = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}
    written = [name for node in model.graph.node for name in node.output]
    return [name for name in written if typed.get(name) == TensorProto.FLOAT]


DENSE = ("Gemm", "MatMul")  # whose int8 kernels can write float
NORMALISED = "local response normalisation divides by what 8 bits cannot hold"
FLOAT_KINDS = {"Softmax": "probabilities need more than 8 bits", "LRN": NORMALISED}


@dataclass(frozen=True)
class Layer:
    """One layer by its node's name; `tensor` is where its output is read in the int8 network, `original` in float."""

    node: str
    name: str
    kind: str
    tensor: str
    original: str
    stored: str
    why: str


def layer_errors(model: ModelProto, quantized: ModelProto, images: Sequence[Array]) -> tuple[LayerError, ...]:
    """Errors of the layers of `quantized` against the float `model`, in the order in which they run.

    Layers are convolutions and dense layers, and what stays float by its kind.
    """
    found = layers(model, quantized)
    errors = relative_errors(_pairs(model, quantized, found, images))
    return tuple(
        LayerError(
            name=layer.name,
            kind=layer.kind,
            relative_l2_error=errors[layer.original],
            stored=layer.stored,
            why=layer.why,
        )
        for layer in found
    )


def _pairs(
    model: ModelProto, quantized: ModelProto, found: Sequence[Layer], images: Sequence[Array]
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    originals = activations(model, images, {layer.original for layer in found})
    rounded = activations(quantized, images, {layer.tensor for layer in found})
    for expected, got in zip(originals, rounded, strict=True):
        yield {one.original: got[one.tensor] for one in found}, {one.original: expected[one.original] for one in found}


def layers(model: ModelProto, quantized: ModelProto) -> list[Layer]:
    """Returns the layers of `quantized` by comparing it with the float `model` that it was made from."""
    flow = Flow(quantized)
    nodes = {node.name: node for node in model.graph.node}
    written = {name for node in model.graph.node for name in node.output}
    found = []
    for node in quantized.graph.node:
        if node.name not in nodes or not (flow.weight(node) or node.op_type in FLOAT_KINDS):
            continue
        stored = "int8" if flow.dequantized(node) else "float"
        reason = FLOAT_KINDS.get(node.op_type, "") if stored == "float" else ""
        name, tensor = named(nodes[node.name]), node.output[0]
        # The quantizer gives a layer the output of a ReLU that it takes in, and the network's own output to its pair.
        original = tensor if tensor in written else nodes[node.name].output[0]
        found.append(Layer(node.name, name, node.op_type, flow.after(tensor), original, stored, reason))
    return found


class Flow:
    """Who writes and who reads each tensor of a QDQ network."""

    def __init__(self, model: ModelProto) -> None:
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = {}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def dequantized(self, node: NodeProto) -> bool:
        """Whether an operator runs in int8: onnxruntime has it so, and it stands between its pairs."""
        if node.op_type not in OPERATORS:
            return False
        read = node.input[:2] if node.op_type in WEIGHTED else node.input[:1]
        rounded = node.op_type in DENSE or self.after(node.output[0]) != node.output[0]
        return rounded and all(self.made_by(name, "DequantizeLinear") for name in read)

    def made_by(self, tensor: str, kind: str) -> bool:
        """Whether an operator of that kind writes the tensor."""
        return tensor in self.makers and self.makers[tensor].op_type == kind

    def after(self, tensor: str) -> str:
        """The tensor as its readers see it: behind its own QuantizeLinear and DequantizeLinear, where it has them."""
        for quantize in self.readers.get(tensor, []):
            if quantize.op_type == "QuantizeLinear":
                for reader in self.readers.get(quantize.output[0], []):
                    if reader.op_type == "DequantizeLinear":
                        return str(reader.output[0])
        return tensor

    def weight(self, node: NodeProto) -> str | None:
        """The constant that a weighted operator multiplies by, through what dequantizes or casts it."""
        if node.op_type not in WEIGHTED or len(node.input) < 2:
            return None
        tensor, seen = node.input[1], set[str]()  # a damaged file may run in a circle
        while tensor not in self.constants and tensor not in seen and tensor in self.makers:
            seen.add(tensor)
            tensor = next(iter(self.makers[tensor].input), tensor)  # what a Constant holds has no maker
        return tensor if tensor in self.constants else None


def named(node: NodeProto) -> str:
    """A layer's name by its weight, which has torch's name; else by its output."""
    weighted = node.op_type in WEIGHTED and node.input[1].endswith(".weight")
    return str(node.input[1].removesuffix(".weight") if weighted else node.output[0])
