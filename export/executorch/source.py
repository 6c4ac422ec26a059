"""The network that becomes a .pte file: our own .tflite file, whose operators XNNPACK has, as tensors and steps."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgebench.formats.tflite.flatbuffer import read
from edgebench.formats.tflite.inspect import DTYPES, operator_name

TO_FILE: Final = (0, 2, 3, 1)
TO_TORCH: Final = (0, 3, 1, 2)
IMAGE_AXES: Final = 4

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A tensor: `data` is there for a constant, `scales` and `zero` for integers that stand for floats, along `axis`
    where there are several scales."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Values | None = None
    scales: Values | None = None
    zero: int = 0
    axis: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Step:
    """An operator: its kind and options by TFLite's schema, and the numbers of the tensors that it reads and makes.

    `padding` is what a convolution pads beside what its options say: top, right, bottom, left.
    """

    kind: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Source:
    """A network of one batch: its steps in order."""

    tensors: list[Tensor]
    steps: list[Step]
    inputs: list[int]
    outputs: list[int]

    def added(self, name: str, shape: tuple[int, ...], dtype: str = "float32", data: Values | None = None) -> int:
        """Adds a tensor and returns its number."""
        self.tensors.append(Tensor(name, shape, dtype, data))
        return len(self.tensors) - 1

    def constant(self, number: int) -> Values:
        """The values of a constant."""
        found = self.tensors[number].data
        assert found is not None
        return found


def of(path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Source:
    """Reads a .tflite file; its images lie channels first at both ends, as torch has them."""
    model = read(path)
    subgraph = model.subgraphs[0]
    kinds = [operator_name(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    source = Source(
        tensors=[_tensor(each, model.buffers[each.buffer].data) for each in subgraph.tensors],
        steps=[
            Step(kinds[one.opcodeIndex], one.builtinOptions, tuple(map(int, one.inputs)), tuple(map(int, one.outputs)))
            for one in subgraph.operators
        ],
        inputs=list(map(int, subgraph.inputs)),
        outputs=list(map(int, subgraph.outputs)),
    )
    _unpack_halves(source)
    _pad_within(source)
    source.inputs = [_first(source, at, name) for at, name in zip(source.inputs, inputs, strict=True)]
    source.outputs = [_last(source, at, name) for at, name in zip(source.outputs, outputs, strict=True)]
    return source


def _tensor(tensor: Any, data: Any) -> Tensor:
    shape = tuple(int(size) for size in (() if tensor.shape is None else tensor.shape))
    dtype, known = DTYPES[tensor.type], tensor.quantization
    values = None
    if data is not None and len(data):
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype).reshape(shape)
    name = (tensor.name or b"").decode()
    if known is None or known.scale is None:
        return Tensor(name, shape, dtype, values)
    scales, zeros = np.asarray(known.scale, np.float32), known.zeroPoint
    zero = 0 if zeros is None else int(zeros[0])
    return Tensor(name, shape, dtype, values, scales, zero, known.quantizedDimension)


def _unpack_halves(source: Source) -> None:
    """Constants that a step unpacks are read as they are stored."""
    stored = {
        step.outputs[0]: step.inputs[0]
        for step in source.steps
        if step.kind == "DEQUANTIZE" and source.tensors[step.inputs[0]].dtype == "float16"
    }
    source.steps = [
        Step(one.kind, one.options, tuple(stored.get(at, at) for at in one.inputs), one.outputs)
        for one in source.steps
        if one.outputs[0] not in stored
    ]


def _pad_within(source: Source) -> None:
    """A PAD of rows and columns that one convolution alone reads becomes that convolution's."""
    readers = Counter(at for step in source.steps for at in step.inputs)
    readers.update(source.outputs)
    pads = {step.outputs[0]: step for step in source.steps if step.kind == "PAD" and readers[step.outputs[0]] == 1}
    found: list[Step] = []
    for step in source.steps:
        pad = pads.get(step.inputs[0]) if step.kind in ("CONV_2D", "DEPTHWISE_CONV_2D") else None
        if pad is not None:
            amounts = source.constant(pad.inputs[1]).tolist()
            (top, bottom), (left, right) = amounts[1:3]
            if not any(map(any, (amounts[0], amounts[3]))):
                step = replace(step, inputs=(pad.inputs[0], *step.inputs[1:]), padding=(top, right, bottom, left))
                found.remove(pad)
        found.append(step)
    source.steps = found


def _first(source: Source, number: int, name: str) -> int:
    tensor = source.tensors[number]
    if len(tensor.shape) != IMAGE_AXES or tensor.dtype == "uint8":  # bytes of pixels lie as they are read
        source.tensors[number] = replace(tensor, name=name)
        return number
    given = source.added(name, tuple(tensor.shape[axis] for axis in TO_TORCH), tensor.dtype)
    order = source.added(f"{name}/order", (IMAGE_AXES,), "int32", np.array(TO_FILE, np.int32))
    source.steps.insert(0, Step("TRANSPOSE", None, (given, order), (number,)))
    return given


def _last(source: Source, number: int, name: str) -> int:
    tensor = source.tensors[number]
    if len(tensor.shape) != IMAGE_AXES:
        source.tensors[number] = replace(tensor, name=name)
        return number
    made = source.added(name, tuple(tensor.shape[axis] for axis in TO_TORCH), tensor.dtype)
    order = source.added(f"{name}/order", (IMAGE_AXES,), "int32", np.array(TO_TORCH, np.int32))
    source.steps.append(Step("TRANSPOSE", None, (number, order), (made,)))
    return made
