"""A ready .tflite file of floats as a torch network, so that every format can be made of it.

The file's operators are run by torch one by one (torch_operators); images lie channels first in torch and channels last
in the file, and each tensor is turned where an operator needs it otherwise. Whether that computes what LiteRT does with
the file is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgebench.formats.examples import example_inputs
from edgebench.formats.native import from_native, joined, to_native
from edgebench.formats.tflite.flatbuffer import read
from edgebench.formats.tflite.inspect import DTYPES, foreign, operator_name
from edgebench.formats.tflite.torch_operators import OPERATORS, Held, Step
from edgebench.formats.verify import difference, scale
from edgebench.ground.errors import ExportError, UsageError, first_line
from edgebench.runtimes.litert.engine import load

Shape = tuple[int, int, int]
ERROR: Final = 1e-4  # share of the range by which torch may differ from LiteRT
STORED: Final = ("float32", "float16", "int32", "int64", "bool")


@dataclass(frozen=True)
class Reading:
    """A file's first subgraph: its tensors, their constants, and its operators."""

    path: Path
    subgraph: Any
    constants: Mapping[int, npt.NDArray[Any]]
    steps: tuple[tuple[Step, tuple[int, ...], tuple[int, ...]], ...]


def module(path: Path, shape: Shape | None = None) -> nn.Module:
    """Returns the network in a file, for images of `shape` (C, H, W), which is the file's own.

    Raises UsageError for what cannot be read, ExportError where torch computes something else than LiteRT does.
    """
    contents = foreign(path)
    if len(contents.inputs) != 1 or contents.inputs[0].layout != "NHWC":
        raise UsageError(f"{path} does not take one image: networks of one image are read")
    height, width, channels = (int(size or 0) for size in contents.inputs[0].shape[1:])
    own = (channels, height, width)
    if shape and shape != own:
        raise UsageError(f"{path} takes images of {'x'.join(map(str, own))}, not of {'x'.join(map(str, shape))}")
    network = Network(_read(path), own).eval()
    _compare(path, network)
    return network


def _read(path: Path) -> Reading:
    model = read(path)
    kinds = [
        code.customCode.decode() if code.customCode else operator_name(code.builtinCode, code.deprecatedBuiltinCode)
        for code in model.operatorCodes
    ]
    subgraph, constants = model.subgraphs[0], {}
    computed = {int(index) for one in subgraph.operators for index in one.outputs} | set(map(int, subgraph.inputs))
    for index, tensor in enumerate(subgraph.tensors):
        dtype = DTYPES[tensor.type]
        if dtype not in STORED:
            raise UsageError(f"{path} holds {dtype}, and other formats are made of float files: give its float file")
        data = model.buffers[tensor.buffer].data
        if index not in computed:
            if tensor.sparsity is not None:
                raise UsageError(f"{path} holds sparse weights, which are not read: give a file with dense ones")
            values = np.frombuffer(bytes([] if data is None else data), np.dtype(dtype)).reshape(
                [int(size) for size in _sizes(tensor)]
            )
            constants[index] = values.astype(np.float32) if dtype == "float16" else values.copy()
    steps = []
    for operator in subgraph.operators:
        kind = kinds[operator.opcodeIndex]
        if kind not in OPERATORS:
            name = (subgraph.tensors[int(operator.outputs[0])].name or b"").decode()
            raise UsageError(f"{path} has the operator {kind} ({name}), which edgebench cannot convert")
        inputs, outputs = (tuple(map(int, side)) for side in (operator.inputs, operator.outputs))
        sizes = tuple(tuple(map(int, _sizes(subgraph.tensors[at]))) for at in outputs)
        steps.append((Step(kind, operator.builtinOptions, sizes), inputs, outputs))
    return Reading(path, subgraph, constants, tuple(steps))


def _sizes(tensor: Any) -> Any:
    return () if tensor.shape is None else tensor.shape


class Network(nn.Module):
    """The operators of a .tflite file; (1, C, H, W) in, the file's outputs out, images among them channels first."""

    def __init__(self, reading: Reading, shape: Shape) -> None:
        super().__init__()
        self.shape, self.steps = shape, reading.steps
        self.pretrained_cfg: Any = {"architecture": reading.path.stem, "input_size": shape}
        self.entry = int(reading.subgraph.inputs[0])
        self.results = [int(index) for index in reading.subgraph.outputs]
        self.whole = {
            index: value for index, value in reading.constants.items() if value.dtype.kind != "f" or value.size == 1
        }
        for index, value in reading.constants.items():
            if value.dtype.kind == "f":
                weight = nn.Parameter(torch.from_numpy(value), requires_grad=False)
                self.register_parameter(f"weight{index}", weight)

    def extra_repr(self) -> str:
        """The operators in order: they tell this network from others with the same weights."""
        return ", ".join(step.kind for step, _, _ in self.steps)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(1, C, H, W) to the file's output, or all of several."""
        values = {self.entry: Held(image=image)}
        for step, inputs, outputs in self.steps:
            given = [self._value(index, values) for index in inputs]
            made = OPERATORS[step.kind](step, given)
            values.update(zip(outputs, made if isinstance(made, list) else [made], strict=True))
        found = tuple(self._value(index, values).home() for index in self.results)  # type: ignore[union-attr]
        return found if len(found) > 1 else found[0]

    def _value(self, index: int, values: Mapping[int, Held]) -> Held | None:
        if index < 0:
            return None
        if index in values:
            return values[index]
        return Held(plain=getattr(self, f"weight{index}", None), whole=self.whole.get(index))


def _compare(path: Path, network: Network) -> None:
    """Raises ExportError where torch and LiteRT disagree on the file, UsageError where that refuses it."""
    try:
        session = load(str(path))
    except (RuntimeError, ValueError) as failure:
        raise UsageError(f"LiteRT refuses {path}: {first_line(failure)}") from failure
    for image in example_inputs((1, *network.shape), None):
        raw = session.run_all(to_native(image, "NHWC"))
        expected = joined([from_native(one, "NHWC" if one.ndim == 4 else None) for one in raw])
        try:
            with torch.no_grad():
                made = network(torch.from_numpy(image))
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"{path}: torch cannot run the file's operators: {reason}") from error
        found = joined([one.numpy() for one in (made if isinstance(made, tuple) else (made,))])
        apart = difference(found, expected, scale(expected)).range_error
        if apart > ERROR:
            raise ExportError(
                f"torch computes something else than LiteRT of {path}: they differ by {apart:.2g} of the range"
            )
