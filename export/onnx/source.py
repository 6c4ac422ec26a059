"""An .onnx file as a torch network, so that every format can be made of it, and estimated.

The file's operators are run by torch, node by node. What does not depend on the image (sizes, axes, indices, folded
weights) is computed once, when the file is read; the rest is the network. Whether it computes what onnxruntime does
with the file is checked then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from edgebench.formats.examples import example_inputs
from edgebench.formats.onnx.sized import load
from edgebench.formats.onnx.torch_operators import OPERATORS
from edgebench.formats.onnx.torch_windows import Node, Value, tensor
from edgebench.formats.verify import difference, scale
from edgebench.ground.errors import DeviceError, ExportError, UsageError, first_line
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

if TYPE_CHECKING:
    from edgebench.graph.operators import Graph

Shape = tuple[int, int, int]
ERROR: Final = 1e-4  # share of the range by which torch may differ from onnxruntime
RESIZING: Final = ("Resize", "Upsample")
HALF_ERROR: Final = 2e-2  # the same where the file computes in float16, and torch in float32


@dataclass(frozen=True)
class Step:
    """One operator of the file: what it computes with which values, by name."""

    node: Node
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def module(path: Path, shape: Shape | None = None) -> nn.Module:
    """Returns the network in a file, for images of `shape` (C, H, W); by itself where the file fixes that.

    Raises UsageError for what cannot be read, ExportError where torch computes something else than onnxruntime does.
    """
    model = load(path)
    network = Network(path, model, _shape(path, model, shape)).eval()
    _compare(path, model, network)
    return network


def read_graph(path: Path) -> Graph:
    """The Graph of a file whose sizes are fixed. Raises UsageError as `module`, DeviceError for what no Graph has."""
    from edgebench.graph.capture import capture

    network = Network(path, model := load(path), _shape(path, model, None)).eval()
    try:
        return capture(network, (1, *network.shape))
    except ExportError as error:
        raise DeviceError(f"{path} cannot be estimated: {error}; measure it instead (`device='host'`)") from error


def _shape(path: Path, model: ModelProto, asked: Shape | None) -> Shape:
    constants = {each.name for each in model.graph.initializer}
    given = [each for each in model.graph.input if each.name not in constants]
    if len(given) != 1:
        names = ", ".join(each.name for each in given)
        raise UsageError(f"{path} has {len(given)} inputs ({names}): networks with one image are read")
    sizes = [size.dim_value for size in given[0].type.tensor_type.shape.dim]
    if len(sizes) != 4:
        raise UsageError(f"the input {given[0].name} of {path} has {len(sizes)} axes: an image has four")
    fixed = [size or (asked[number] if asked else 0) for number, size in enumerate(sizes[1:])]
    if not all(fixed):
        raise UsageError(f"{path} leaves the size of its image open: say it, such as `input='3x224x224'`")
    if asked and tuple(fixed) != asked:
        raise UsageError(f"{path} takes images of {'x'.join(map(str, fixed))}, not of {'x'.join(map(str, asked))}")
    return fixed[0], fixed[1], fixed[2]


def _compare(path: Path, model: ModelProto, network: Network) -> None:
    """Raises ExportError where torch and onnxruntime disagree on the file, UsageError where that refuses it."""
    chosen = options(1, exact=True)
    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        # As it is written: layers in whole numbers, which onnxruntime makes of it, round halves elsewhere.
        chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), chosen, providers=PROVIDERS)
    except Exception as failure:  # its own classes have no common base but this
        raise UsageError(f"onnxruntime refuses {path}: {first_line(failure)}") from failure
    (entry,) = session.get_inputs()
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else 1
    half = entry.type == "tensor(float16)"
    for image in example_inputs((1, *network.shape), None):
        given = np.repeat(image, batch, 0)
        (expected, *_) = session.run(None, {entry.name: given.astype(np.float16) if half else given})
        with torch.no_grad():
            found = network(torch.from_numpy(image)).numpy()
        same = expected[: len(found)].astype(np.float32)
        error = difference(found, same, scale(same)).range_error
        if error > (HALF_ERROR if half else ERROR):
            raise ExportError(
                f"torch computes something else than onnxruntime of {path}: they differ by {error:.2g} of the range"
            )


class Network(nn.Module):
    """The operators of an ONNX file; (1, C, H, W) in, the file's first output out."""

    def __init__(self, path: Path, model: ModelProto, shape: Shape) -> None:
        super().__init__()
        graph, self.shape = model.graph, shape
        self.pretrained_cfg = {"architecture": path.stem, "input_size": shape}  # what it is called, and fed
        versions = {each.domain: each.version for each in model.opset_import}
        values: dict[str, Value] = {each.name: _stored(onnx.numpy_helper.to_array(each)) for each in graph.initializer}
        (self.entry,) = (each.name for each in graph.input if each.name not in values)
        self.result = graph.output[0].name
        self.constants: dict[str, Value] = {"": None, **values}
        self.steps: list[Step] = []
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = _stored(np.asarray(_attribute(node.attribute[0])))
        steps = [_step(path, node, versions) for node in graph.node if node.op_type != "Constant"]
        self._read(path, steps, torch.zeros(1, *shape))
        scales = {name for step in self.steps if step.node.kind in RESIZING for name in step.inputs[1:]}
        for number, (name, value) in enumerate(list(self.constants.items())):
            if isinstance(value, Tensor) and name in scales:  # read as numbers while the network is traced
                self.constants[name] = value.numpy()
            elif isinstance(value, Tensor):  # so that the module can be copied, moved, counted and exported
                self.register_parameter(f"weight{number}", nn.Parameter(value, requires_grad=False))
                self.constants[name] = f"weight{number}"

    def _read(self, path: Path, steps: list[Step], image: Tensor) -> None:
        """Runs every step once; those that the image reaches are kept, the others' results are."""
        values: dict[str, Value] = {self.entry: image}
        with torch.no_grad():
            for step in steps:
                try:
                    computed = _run(step, [values[n] if n in values else self.constants[n] for n in step.inputs])
                except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
                    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                    raise UsageError(
                        f"{path}: torch cannot run the ONNX operator {step.node.kind} ({step.outputs[0]}) on an image "
                        f"of {'x'.join(map(str, image.shape[1:]))}: {reason}"
                    ) from error
                reached = step.node.kind not in ("Shape", "Size") and any(name in values for name in step.inputs)
                (values if reached else self.constants).update(zip(step.outputs, computed, strict=False))
                if reached:
                    self.steps.append(step)
        if self.result not in values:
            raise UsageError(f"the output {self.result} of {path} does not depend on its input")
        read = {name for step in self.steps for name in step.inputs}
        self.constants = {name: value for name, value in self.constants.items() if name in read}

    def extra_repr(self) -> str:
        """The operators in order: they tell this network from others with the same weights."""
        return ", ".join(step.node.kind for step in self.steps)

    def forward(self, image: Tensor) -> Tensor:
        """(1, C, H, W) to the file's output."""
        values: dict[str, Value] = {self.entry: image}
        for step in self.steps:
            inputs = [values[name] if name in values else self._constant(name) for name in step.inputs]
            values.update(zip(step.outputs, _run(step, inputs), strict=False))
        return tensor(values[self.result])

    def _constant(self, name: str) -> Value:
        value = self.constants[name]
        return getattr(self, value) if isinstance(value, str) else value


def _run(step: Step, inputs: list[Value]) -> tuple[Value, ...]:
    result = OPERATORS[step.node.kind](step.node, inputs)
    return result if isinstance(result, tuple) else (result,)


def _stored(array: np.ndarray[Any, Any]) -> Value:
    """Floating-point values as a tensor of float32; whole numbers and single values, such as bounds, as they are."""
    return torch.from_numpy(array.astype(np.float32)) if array.dtype.kind == "f" and array.ndim else array


def _step(path: Path, node: NodeProto, versions: dict[str, int]) -> Step:
    kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    if kind not in OPERATORS:
        raise UsageError(f"{path} has the operator {kind} ({node.output[0]}), which edgebench cannot convert")
    attributes = {each.name: _attribute(each) for each in node.attribute}
    version = versions.get(node.domain, versions.get("ai.onnx", 1))
    return Step(Node(kind, attributes, version, len(node.output)), tuple(node.input), tuple(node.output))


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
