"""An .onnx file as a torch network, so that every format can be made of it, and estimated.

The file's operators are run by torch, node by node. What does not depend on the image (sizes, axes, indices, folded
weights) is computed once, when the file is read; the rest is the network. Whether it computes what onnxruntime does
with the file is checked then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from edgebench.formats.onnx.torch_operators import OPERATORS, Node, Value, tensor
from edgebench.ground.errors import UsageError


@dataclass(frozen=True)
class Step:
    """One operator of the file: what it computes with which values, by name."""

    node: Node
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def module(path: Path, shape: tuple[int, int, int]) -> nn.Module:
    """Returns the network in a file, for images of `shape` (C, H, W). Raises UsageError for what cannot be read."""
    model = load(path)
    return Network(path, model, shape)


def load(path: Path) -> ModelProto:
    """The file with the weights that lie beside it. Raises UsageError for weights outside of its folder."""
    model = onnx.load_model(path, load_external_data=False)
    folder = path.parent.resolve()
    for weight in model.graph.initializer:
        for entry in weight.external_data:
            if entry.key == "location" and not (folder / entry.value).resolve().is_relative_to(folder):
                raise UsageError(f"{path} keeps weights in {entry.value}, outside of its folder: put them beside it")
    onnx.load_external_data_for_model(model, str(folder))
    return model


class Network(nn.Module):
    """The operators of an ONNX file; (1, C, H, W) in, the file's first output out."""

    def __init__(self, path: Path, model: ModelProto, shape: tuple[int, int, int]) -> None:
        super().__init__()
        graph = model.graph
        versions = {each.domain: each.version for each in model.opset_import}
        values: dict[str, Value] = {each.name: _stored(onnx.numpy_helper.to_array(each)) for each in graph.initializer}
        given = [each.name for each in graph.input if each.name not in values]
        if len(given) != 1:
            raise UsageError(f"{path} has {len(given)} inputs ({', '.join(given)}): networks with one image are read")
        self.entry, self.result = given[0], graph.output[0].name
        self.constants = {"": None, **values}
        self.steps: list[Step] = []
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = _stored(np.asarray(_attribute(node.attribute[0])))
        steps = [_step(path, node, versions) for node in graph.node if node.op_type != "Constant"]
        self._read(path, steps, torch.zeros(1, *shape))
        for number, (name, value) in enumerate(list(self.constants.items())):
            if isinstance(value, Tensor):  # so that the module can be copied, moved, counted and exported
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
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise UsageError(f"{path} has the operator {kind} ({node.output[0]}), which edgebench cannot convert")
    attributes = {each.name: _attribute(each) for each in node.attribute}
    version = versions.get(node.domain, versions.get("ai.onnx", 1))
    return Step(Node(node.op_type, attributes, version, len(node.output)), tuple(node.input), tuple(node.output))


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
