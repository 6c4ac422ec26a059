"""What every emitter shares: the graph being written, its layouts, and the tensors so far in each of their layouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.inspect import OPERATORS
from edgebench.formats.tflite.model import Model, opened
from edgebench.graph.layout import Layout, Layouts, order, permuted
from edgebench.graph.operators import Array, Function, Graph, Operator, Pair, Shape
from edgebench.graph.rank import together
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Precision

Code = schema.BuiltinOperator
AnyOperator = TypeVar("AnyOperator", bound=Operator)
Emitter = Callable[["Emission", AnyOperator, Layout], int]
"""Adds what an operator becomes and returns the tensor of its output, in the layout given."""

FUSED: Final = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
    "relu_n1_to_1": schema.ActivationFunctionType.RELU_N1_TO_1,
}
JOINED: Final = 5  # tensors that XNNPACK concatenates at a time
RUNS: Final = 10  # of neighbouring indices: more are a GATHER, which XNNPACK does not have
SLICED_AXES: Final = 5
TRANSPOSED_AXES: Final = 5  # beyond, axes that stay together are merged first: kernels end at 6


@dataclass
class Emission:
    """The walk over a graph while its TFLite operators are added to `model`."""

    graph: Graph
    layouts: Layouts
    model: Model
    precision: Precision
    name: str = ""  # of the operator that is being emitted
    tensors: dict[str, dict[Layout, int]] = field(default_factory=dict)
    _roots: dict[int, int] = field(default_factory=dict)
    _reshapes: dict[tuple[int, Shape], int] = field(default_factory=dict)
    _named: set[int] = field(default_factory=set)

    # ---- tensors of the graph ----

    def put(self, name: str, layout: Layout, tensor: int) -> None:
        """Makes `tensor` known as the graph's tensor `name` in `layout`; the first has its name in the file."""
        if tensor not in self._named and not self.model.is_constant(tensor) and name not in self.tensors:
            self.model.rename(tensor, name)
            self._named.add(tensor)
        self.tensors.setdefault(name, {})[layout] = tensor

    def get(self, name: str, layout: Layout) -> int:
        """The graph's tensor `name` in `layout`; transposed, once, if it is not there."""
        have = self.tensors.setdefault(name, {})
        if layout not in have and name in self.graph.constants:
            have[layout] = self.model.constant(name, self.graph.constants[name].transpose(layout))
        elif layout not in have:
            shape, wanted = self.layouts.shapes[name], order(self.layouts.shapes[name], layout)
            alike = [tensor for other, tensor in have.items() if order(shape, other) == wanted]
            tensor = alike[0] if alike else self._transposed(name, layout)
            have[layout] = self.reshaped(tensor, permuted(shape, layout))
        return have[layout]

    def as_it_lies(self, name: str, layouts: Sequence[Layout]) -> tuple[int, Layout]:
        """A tensor in the one of `layouts` that it has already; else in one that moves whole rows, or the first."""
        if name in self.graph.constants:
            return self.get(name, layouts[0]), layouts[0]
        shape = self.layouts.shapes[name]
        orders = [order(shape, layout) for layout in self.tensors[name]]
        fitting = [layout for layout in layouts if order(shape, layout) in orders]
        rows = [layout for layout in layouts if order(shape, layout)[-1:] == orders[0][-1:]]
        chosen = (*fitting, *rows, layouts[0])[0]
        return self.get(name, chosen), chosen

    def inputs(self, operator: Operator, layout: Layout) -> list[int]:
        """The tensors that `operator` reads, all in one layout."""
        return [self.get(name, layout) for name in operator.inputs]

    def physical(self, operator: Operator, layout: Layout) -> Shape:
        """The shape of an operator's output in the file, with a negative batch axis."""
        return permuted(self.layouts.shapes[operator.name], layout)

    def _transposed(self, name: str, layout: Layout) -> int:
        shape = self.layouts.shapes[name]
        before, tensor = next(iter(self.tensors[name].items()))
        runs = [[axis] for axis in before]
        if len(shape) > TRANSPOSED_AXES:
            runs = together(order(shape, before), order(shape, layout))
        first = [run[0] for run in runs]
        then = [axis for axis in layout if axis in first]
        sizes = [math.prod(shape[axis] for axis in run) for run in runs]
        moves = [first.index(axis) for axis in then]
        source = self.reshaped(tensor, sizes)
        given = [source, self.ints("permutation", *moves)]
        moved = [sizes[number] for number in moves]
        return self.add(Code.TRANSPOSE, given, moved, self.model.dtype(source), name=name)

    # ---- operators of the file ----

    def add(
        self,
        code: int,
        inputs: Sequence[int],
        shape: Sequence[int] | None = None,
        dtype: str = "float32",
        *,
        version: int = 1,
        name: str = "",
        **fields: Any,
    ) -> int:
        """Adds an operator and returns its output, which has the shape of the first input where none is given.

        `fields` are those of the schema's options; the output is named after the graph's operator `name`, or the
        current one, and the kind.
        """
        sizes = self.model.shape(inputs[0]) if shape is None else shape
        tensor = self.model.computed(f"{name or self.name}/{OPERATORS[code].lower()}", sizes, dtype)
        return self.model.operator(code, inputs, tensor, version, **fields)

    def ints(self, name: str, *values: int) -> int:
        """A constant of whole numbers."""
        return self.model.constant(name, np.array(values, np.int32))

    def scalar(self, value: float) -> int:
        """A constant of one number."""
        return self.model.constant("constant", np.array(value, np.float32))

    def constant(self, name: str, array: npt.NDArray[Any], dtype: str = "float32") -> int:
        """A constant of the current operator."""
        return self.model.constant(f"{self.name}.{name}", array, dtype=dtype)

    def weights(self, name: str, array: Array, shape: Sequence[int] | None = None) -> int:
        """Adds weights: float32, or float16 with the DEQUANTIZE that runtimes fold into the operator behind it.

        Raises ExportError for a weight beyond float16's range.
        """
        name = f"{self.name}.{name}"
        if self.precision != "fp16":
            return self.model.constant(name, array, shape)
        largest = float(max(array.max(), -array.min()))
        if not largest <= float(np.finfo(np.float16).max):
            raise ExportError(f"a weight of '{name}' is {largest:.3g}, beyond float16's range: export with fp32")
        half = self.model.constant(f"{name}_fp16", array, shape, dtype="float16")
        whole = self.model.computed(name, array.shape if shape is None else shape)
        return self.model.operator(Code.DEQUANTIZE, [half], whole, version=3)

    def reshaped(self, tensor: int, shape: Sequence[int]) -> int:
        """RESHAPE, where the shape is another: from the tensor before all other reshapes, which may then go."""
        root, shape = self._roots.get(tensor, tensor), tuple(shape)
        if self.model.shape(root) == shape:
            return root
        if (root, shape) not in self._reshapes:
            made = self.copied(self._own(root), shape)
            self._reshapes[root, shape] = made
            self._roots[made] = root
        return self._reshapes[root, shape]

    def _own(self, tensor: int) -> int:
        """Whole numbers in memory of their own, for a RESHAPE.

        LiteRT lets a RESHAPE show its input's memory, and arithmetic that no delegate has, as that of whole numbers,
        then writes into it although the input is still to be read.
        """
        if self.model.dtype(tensor) != "int32":
            return tensor
        return self.add(Code.ADD, [tensor, self.ints("zero", 0)], dtype="int32")

    def copied(self, tensor: int, shape: Shape | None = None) -> int:
        """RESHAPE to another or to the same shape: a tensor of its own."""
        shape = self.model.shape(tensor) if shape is None else shape
        target = np.array(opened(shape), np.int32)
        given = [tensor, self.model.constant("shape", target)]
        return self.add(Code.RESHAPE, given, shape, self.model.dtype(tensor), newShape=target)

    def padded(self, tensor: int, amounts: Sequence[Pair], value: float = 0.0) -> int:
        """PAD with zeros, and another `value` added to these; `amounts` (before, after) of each axis in memory.

        Adding zero elsewhere is exact, and XNNPACK has no PADV2.
        """
        if not any(map(any, amounts)):
            return tensor
        before = self.model.shape(tensor)
        shape = [size + sum(both) for size, both in zip(before, amounts, strict=True)]
        given = self.model.constant("paddings", np.array(amounts, np.int32))
        made = self.add(Code.PAD, [tensor, given], shape, self.model.dtype(tensor))
        if value == 0:
            return made
        inside = [(size if any(both) else 1) for size, both in zip(before, amounts, strict=True)]
        frame = np.pad(np.zeros(inside, np.float32), amounts, constant_values=value)
        return self.add(Code.ADD, [made, self.constant("frame", frame)])

    def sliced(self, tensor: int, starts: Sequence[int], sizes: Sequence[int]) -> int:
        """STRIDED_SLICE, where it leaves something out; XNNPACK takes no SLICE whose batch is open."""
        if tuple(sizes) == self.model.shape(tensor):
            return tensor
        ends = [start + abs(size) for start, size in zip(starts, sizes, strict=True)]
        steps = self.ints("steps", *[1] * len(sizes))
        given = [tensor, self.ints("begin", *starts), self.ints("end", *ends), steps]
        batch = sum(1 << axis for axis, size in enumerate(sizes) if size < 0)
        return self.add(Code.STRIDED_SLICE, given, sizes, self.model.dtype(tensor), beginMask=batch, endMask=batch)

    def part(self, tensor: int, axis: int, start: int, size: int) -> int:
        """`size` elements along one axis in memory, from `start`."""
        shape = self.model.shape(tensor)
        if len(shape) > SLICED_AXES and size != shape[axis]:
            outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
            merged = self.reshaped(tensor, (outer, shape[axis], inner))
            return self.reshaped(self.part(merged, 1, start, size), (*shape[:axis], size, *shape[axis + 1 :]))
        starts = [start if number == axis else 0 for number in range(len(shape))]
        return self.sliced(tensor, starts, [*shape[:axis], size, *shape[axis + 1 :]])

    def joined(self, tensors: Sequence[int], axis: int) -> int:
        """CONCATENATION along an axis in memory, of as many at a time as XNNPACK joins."""
        left = list(tensors)
        while len(left) > 1:
            groups = [left[start : start + JOINED] for start in range(0, len(left), JOINED)]
            left = [self._joined(group, axis) if len(group) > 1 else group[0] for group in groups]
        return left[0]

    def _joined(self, tensors: Sequence[int], axis: int) -> int:
        shape = list(self.model.shape(tensors[0]))
        shape[axis] = sum(self.model.shape(tensor)[axis] for tensor in tensors)
        return self.add(Code.CONCATENATION, tensors, shape, self.model.dtype(tensors[0]), axis=axis)

    def picked(self, tensor: int, axis: int, indices: Sequence[int]) -> int:
        """What lies at `indices` along an axis in memory: slices, joined; a GATHER where they would be many."""
        runs: list[range] = []
        for index in indices:
            if runs and runs[-1].stop == index:
                runs[-1] = range(runs[-1].start, index + 1)
            else:
                runs.append(range(index, index + 1))
        if len(runs) > RUNS:
            shape = list(self.model.shape(tensor))
            shape[axis] = len(indices)
            given = [tensor, self.ints("indices", *indices)]
            return self.add(Code.GATHER, given, shape, self.model.dtype(tensor), axis=axis)
        made = {run: self.part(tensor, axis, run.start, len(run)) for run in dict.fromkeys(runs)}
        return self.joined([made[run] for run in runs], axis)


def given(operator: Operator, weight: Array | None) -> Array:
    """Returns the weight of an operator. Raises ValueError for a sketched graph, which has none."""
    if weight is None:
        raise ValueError(f"'{operator.name}' has no weights: a sketched graph cannot be written, capture the network")
    return weight


def fused(activation: Function | None) -> int:
    """The schema's number of an activation that an operator has of its own."""
    return int(FUSED[activation])
