"""What every emitter of ONNX shares: the graph being written, and the nodes, constants and types so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, numpy_helper

from edgebench.graph.operators import AnyArray, Array, DType, Graph, Operator, Shape
from edgebench.ground.errors import ExportError

AnyOperator = TypeVar("AnyOperator", bound=Operator)
Emitter = Callable[["Emission", AnyOperator], str]
"""Adds what an operator becomes and returns the name of the tensor that it gives."""

BATCH: Final = "batch"  # what an open first axis is called
TYPES: Final[dict[str, int]] = {
    "float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64, "bool": TensorProto.BOOL
}  # fmt: skip
SHARED: Final = 64  # elements up to which equal constants are one
HALF: Final = float(np.finfo(np.float16).max)


@dataclass
class Emission:
    """The walk over a graph while its nodes are added.

    `shapes` are those of the graph's operators, with a negative batch axis where the batch is open; `called` holds the
    names that tensors of the graph have in the file, if they are others than the graph's, and `ends` those of all its
    inputs and outputs.
    """

    graph: Graph
    shapes: Mapping[str, Shape]
    called: Mapping[str, str]
    ends: frozenset[str]
    half: bool = False
    operator: Operator = field(init=False)
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    types: dict[str, tuple[Shape, str]] = field(default_factory=dict)
    _tensors: dict[str, str] = field(default_factory=dict)  # of the graph, as the file has them
    _taken: set[str] = field(default_factory=set)
    _shared: dict[tuple[str, Shape, bytes], str] = field(default_factory=dict)
    _weights: dict[tuple[int, Shape, Shape], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._taken.update(self.ends)

    # ---- tensors of the graph ----

    def put(self, name: str, tensor: str) -> None:
        """Makes `tensor` known as the graph's `name`; one that was just made gets the name that it has in the file."""
        if self.nodes and self.nodes[-1].output[0] == tensor:
            own = self.called.get(name) or self._free(name)
            self.nodes[-1].output[0] = self.nodes[-1].name = own
            self.types[own] = self.types.pop(tensor)
            tensor = own
        self._tensors[name] = tensor

    def get(self, name: str) -> str:
        """The tensor of the graph's `name`; a constant is added when it is first read."""
        if name not in self._tensors:
            self._tensors[name] = self.constant(name, self.graph.constants[name])
        return self._tensors[name]

    def inputs(self, operator: Operator) -> list[str]:
        """The tensors that `operator` reads."""
        return [self.get(name) for name in operator.inputs]

    def shape(self, name: str) -> Shape:
        """The shape of a tensor of the graph, with a negative batch axis where the batch is open."""
        return self.shapes[name] if name in self.shapes else self.graph.shape(name)

    # ---- nodes and constants of the file ----

    def add(
        self, kind: str, inputs: Sequence[str], shape: Sequence[int] | None = None, dtype: str = "", **attributes: Any
    ) -> str:
        """Adds a node and returns its output, which has the current operator's shape and dtype unless given others."""
        made = self._free(f"{self.operator.name}/{kind.lower()}")
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [made], name=made, **attributes))
        sizes = self.shapes[self.operator.name] if shape is None else tuple(shape)
        self.types[made] = sizes, dtype or self.operator.dtype
        return made

    def reshaped(self, tensor: str, shape: Sequence[int]) -> str:
        """Reshape, whose target leaves the batch open where it is."""
        return self.add("Reshape", [tensor, self.ints(*(max(size, -1) for size in shape))], shape)

    def constant(self, name: str, array: AnyArray) -> str:
        """A constant under a free name like `name`; small ones that are equal are one."""
        if array.size > SHARED:
            return self._stored(name, array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = self._stored(name, array)
        return self._shared[key]

    def ints(self, *values: int) -> str:
        """A constant vector of whole numbers, as ONNX has them."""
        return self.constant("numbers", np.array(values, np.int64))

    def number(self, value: float, dtype: DType = "float32") -> str:
        """A constant of one number."""
        return self.constant("number", np.array(value, dtype))

    def weight(self, array: Array | None) -> str:
        """The current operator's weight: float32, or float16 with the Cast that a runtime folds when it loads the file.

        Raises ExportError for a weight beyond float16's range, ValueError for a sketched graph, which has none.
        """
        if array is None:
            raise ValueError(f"'{self.operator.name}' has no weights: a sketched graph cannot be written")
        key = (array.__array_interface__["data"][0], array.shape, array.strides)  # layers may share one
        if key not in self._weights:
            name = f"{self.operator.name}.weight"
            self._weights[key] = self._halved(name, array) if self.half else self._stored(name, array)
        return self._weights[key]

    def _halved(self, name: str, array: Array) -> str:
        largest = float(np.abs(array).max(initial=0))
        if not largest <= HALF:
            raise ExportError(f"weight {name} has values beyond 65504, the largest of float16: export it as fp32")
        stored, whole = self._stored(f"{name}.float16", array.astype(np.float16)), self._free(name)
        self.nodes.append(onnx.helper.make_node("Cast", [stored], [whole], name=f"{name}.cast", to=TensorProto.FLOAT))
        self.types[whole] = array.shape, "float32"
        return whole

    def bias(self, array: Array | None) -> list[str]:
        """The current operator's bias as an input, no input where it has none."""
        return [] if array is None else [self._stored(f"{self.operator.name}.bias", array)]

    def values(self) -> list[ValueInfoProto]:
        """What is known of every tensor that a node gives and the network does not."""
        inner = [(name, *known) for name, known in self.types.items() if name not in self.ends]
        return [described(name, shape, dtype) for name, shape, dtype in inner]

    def _stored(self, name: str, array: AnyArray) -> str:
        own = self._free(name)
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), own))
        return own

    def _free(self, name: str) -> str:
        own, count = name, 2
        while own in self._taken:
            own, count = f"{name}_{count}", count + 1
        self._taken.add(own)
        return own


def described(name: str, shape: Sequence[int], dtype: str) -> ValueInfoProto:
    """A tensor's type; an open axis is named where it is the batch itself, and left open where it is a multiple."""
    sizes = [size if size >= 0 else BATCH if size == -1 else None for size in shape]
    return onnx.helper.make_tensor_value_info(name, TYPES[dtype], sizes)
