"""The Graph: typed operators with shapes, and weights where they are known.

Every operator names its inputs, so its name is also the name of its one output tensor; an input may also name one of
the graph's constants. Shapes are torch's, of any rank, at batch 1; axes count from the front. What does not depend on
the network's input is a constant: capture computes it once. Batch norm is folded into the layer before it, and ReLU or
ReLU6 that directly follows a layer or arithmetic is its `activation`. A graph that was sketched from a block table,
without torch, is the same graph with `weight=None`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
AnyArray = npt.NDArray[Any]  # float32, int32 or bool: masks and indices are constants too
P = ParamSpec("P")
T = TypeVar("T")
Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]  # top, bottom, left, right
DType = Literal["float32", "int32", "bool"]
Function = Literal[
    # activations
    "relu", "relu6", "relu_n1_to_1", "sigmoid", "silu", "tanh", "hardswish", "hardsigmoid", "gelu", "gelu_tanh", "elu",
    "leaky_relu", "softplus", "mish",
    # arithmetic
    "abs", "neg", "exp", "log", "sqrt", "rsqrt", "square", "floor", "ceil", "round", "sign", "sin", "cos", "erf",
    "logical_not",
]  # fmt: skip
Arithmetic = Literal["add", "sub", "mul", "div", "maximum", "minimum", "pow"]
Comparison = Literal[
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or"
]
Reduction = Literal["mean", "sum", "max", "min"]

FUSIBLE: Final[frozenset[Function]] = frozenset({"relu", "relu6", "relu_n1_to_1"})  # what kernels clamp to for nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """Base of all operators. `module` is the dotted path of the torch module it came from, for messages."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    module: str = ""
    dtype: DType = "float32"

    @property
    def kind(self) -> str:
        """The operator's lower-case name, such as "conv"; depthwise convolutions say "depthwise"."""
        return type(self).__name__.lower()

    @property
    def elements(self) -> int:
        """Number of elements of the output."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Operator):
    """One of the network's inputs."""


# ---- layers with weights ----


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Operator):
    """2-D convolution. `weight` is (out, in / groups, kernel height, kernel width)."""

    in_channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    activation: Function | None = None
    weight: Array | None = None
    bias: Array | None = None

    @property
    def kind(self) -> str:
        """ "depthwise" when each input channel has filters of its own, else "conv"."""
        return "depthwise" if self.depthwise else "conv"

    @property
    def depthwise(self) -> bool:
        """Whether every input channel is its own group."""
        return self.groups > 1 and self.groups == self.in_channels

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out, in / groups, kernel height, kernel width), known without the weights."""
        return (self.shape[1], self.in_channels // self.groups, *self.kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class TransposedConv(Operator):
    """2-D transposed convolution. `weight` is (in, out / groups, kernel height, kernel width), as in torch.

    The full output is cut to `shape` behind the `padding` rows and columns that are cut off before it: torch's
    output_padding only makes `shape` larger. Dilation is in the weights, as zeros between them.
    """

    in_channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    activation: Function | None = None
    weight: Array | None = None
    bias: Array | None = None

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(in, out / groups, kernel height, kernel width), known without the weights."""
        return (self.in_channels, self.shape[1] // self.groups, *self.kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Operator):
    """Fully connected layer over the last axis of a tensor of any rank. `weight` is (out, in).

    `flattened` is the (C, H, W) that was flattened to make its input, where there was one: the columns stay in torch's
    order (CHW), and a channels-last writer permutes them by it.
    """

    in_features: int
    activation: Function | None = None
    flattened: tuple[int, int, int] | None = None
    weight: Array | None = None
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class MatMul(Operator):
    """Product over the last two axes of two tensors of one rank (3 or more); leading axes are alike or 1.

    `in_features` is the length of the axis that is summed.
    """

    in_features: int


# ---- windows ----


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Operator):
    """Max or average pooling of a 4-D tensor. Ceil mode is already in `padding` (bottom and right) and `shape`.

    An average divides by the cells of the window that lie in the image or, where `counts_padding`, also in torch's own
    padding (as wide behind as before: never in what ceil mode adds); `divisor` replaces either.
    """

    mode: Literal["max", "average"]
    window: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)  # of max pooling
    counts_padding: bool = False
    divisor: int | None = None

    def cells(self, size: Pair) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """How many cells of each window lie in an image of that height and width, and how many an average divides by.

        Both are (rows, columns) of the output.
        """
        real, counted = [], []
        for length, count, window, step, before in zip(
            size, self.shape[2:], self.window, self.stride, self.padding[::2], strict=True
        ):
            start = np.arange(count) * step - before
            real.append(np.minimum(start + window, length) - np.maximum(start, 0))
            counted.append(np.minimum(start + window, length + before) - start if self.counts_padding else real[-1])
        divisors = np.full(self.shape[2:], self.divisor) if self.divisor else np.outer(*counted)
        return np.outer(*real), divisors


@dataclass(frozen=True, kw_only=True, eq=False)
class Resize(Operator):
    """Bilinear resize of height and width to `shape`; without `align_corners` pixel centres are at one half."""

    align_corners: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class DepthToSpace(Operator):
    """Channels (i, j, c) become blocks of `block` x `block` pixels, as in TensorFlow (torch's are (c, i, j))."""

    block: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SpaceToDepth(Operator):
    """Blocks of `block` x `block` pixels become channels (i, j, c), as in TensorFlow (torch's are (c, i, j))."""

    block: int


# ---- element by element ----


@dataclass(frozen=True, kw_only=True, eq=False)
class Binary(Operator):
    """Arithmetic on two tensors of one rank that broadcast; either may be a constant."""

    function: Arithmetic
    activation: Function | None = None

    @property
    def kind(self) -> str:
        """The function: "add", "mul"."""
        return self.function


@dataclass(frozen=True, kw_only=True, eq=False)
class Compare(Operator):
    """A comparison or logical operation on two tensors of one rank that broadcast; gives bool."""

    function: Comparison


@dataclass(frozen=True, kw_only=True, eq=False)
class Where(Operator):
    """inputs[1] where inputs[0] (bool) holds, else inputs[2]; all of one rank, broadcasting."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Operator):
    """A function of each element alone. `slope` is leaky ReLU's or ELU's parameter."""

    function: Function
    slope: float = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class PReLU(Operator):
    """max(x, 0) + slope * min(x, 0); inputs[1] is a constant that has x's rank and varies along the channels only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cast(Operator):
    """A change of `dtype`."""


# ---- over axes ----


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalPool(Operator):
    """Mean over height and width of a 4-D tensor; the output is (1, C, 1, 1) or, without kept dimensions, (1, C)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reduce(Operator):
    """A reduction over `axes` (ascending), which stay as axes of size 1; every other mean than GlobalPool's is one."""

    function: Reduction
    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Operator):
    """Softmax over one axis."""

    axis: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ArgMax(Operator):
    """Index (int32) of the largest element along `axis`, the first of equals; the axis is dropped unless `keep`."""

    axis: int
    keep: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class TopK(Operator):
    """The `shape[axis]` largest along `axis`, the largest first; of these where they were (int32), with `indices`."""

    axis: int
    indices: bool = False

    def twins(self, graph: Graph) -> list[TopK]:
        """The others that pick the same, so that one operator of a file gives all."""
        same = (self.inputs, self.axis, self.shape)
        found = [one for one in graph.operators if isinstance(one, TopK) and one is not self]
        return [one for one in found if (one.inputs, one.axis, one.shape) == same]


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalResponseNorm(Operator):
    """x / (k + alpha / size * sum over `size` neighbouring channels of x^2) ^ beta (Krizhevsky et al., 2012)."""

    size: int
    alpha: float
    beta: float
    k: float


# ---- moves ----


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Operator):
    """Concatenation along `axis`."""

    axis: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Operator):
    """A change of shape without a change of order, such as flattening (1, C, H, W) to (1, CHW)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transpose(Operator):
    """Axis i of the output is axis `permutation[i]` of the input."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Operator):
    """`shape[axis]` elements along `axis` from `start`, every `step`-th; all of every other axis."""

    axis: int
    start: int
    step: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Subsample(Operator):
    """Every `stride`-th row and column: x[:, :, ::stride, ::stride], as in a parameter-free ResNet shortcut."""

    stride: Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Operator):
    """Adds `amounts` (one pair an axis, none negative): `value`, or the mirror image without its edge."""

    amounts: tuple[Pair, ...]
    value: float = 0.0
    mode: Literal["constant", "reflect"] = "constant"


@dataclass(frozen=True, kw_only=True, eq=False)
class Expand(Operator):
    """Repeats axes of size 1 up to `shape`; the rank stays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gather(Operator):
    """Picks along `axis`; `indices` are constant."""

    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pick(Operator):
    """Picks along `axis` of inputs[0], perhaps a constant, at inputs[1]: int32 of one axis, computed, in range."""

    axis: int


@dataclass(frozen=True)
class Graph:
    """Operators in execution order, the inputs first; `outputs` name tensors, `constants` what inputs may name too.

    `rewrites` counts what simplification did, by rule.
    """

    operators: tuple[Operator, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, AnyArray] = field(default_factory=dict)
    rewrites: Mapping[str, int] = field(default_factory=dict)
    _index: dict[str, Operator] = field(init=False, repr=False, compare=False, default_factory=dict)
    _known: dict[Any, Any] = field(init=False, repr=False, compare=False, default_factory=dict)  # see once

    def __post_init__(self) -> None:
        self._index.update({operator.name: operator for operator in self.operators})

    def __getitem__(self, name: str) -> Operator:
        return self._index[name]

    def get(self, name: str) -> Operator | None:
        """The operator of that name; None for a constant."""
        return self._index.get(name)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network is given, in its order."""
        return tuple(operator for operator in self.operators if isinstance(operator, Input))

    @property
    def computed(self) -> tuple[Operator, ...]:
        """Every operator but the inputs, in execution order."""
        return tuple(operator for operator in self.operators if not isinstance(operator, Input))

    @property
    def input(self) -> Input:
        """The first input: most networks have one."""
        return self.inputs[0]

    @property
    def output(self) -> str:
        """The first output: most networks have one."""
        return self.outputs[0]

    def shape(self, name: str) -> Shape:
        """The shape of an operator's output or of a constant."""
        return self._index[name].shape if name in self._index else self.constants[name].shape

    def producers(self, operator: Operator) -> tuple[Operator, ...]:
        """The operators whose outputs `operator` reads; constants are left out."""
        return tuple(self._index[name] for name in operator.inputs if name in self._index)

    def counts(self) -> dict[str, int]:
        """How many operators of each kind, the inputs left out."""
        return dict(Counter(operator.kind for operator in self.computed))


def once(function: Callable[Concatenate[Graph, P], T]) -> Callable[Concatenate[Graph, P], T]:
    """Keeps what `function` says of a graph with the graph, which never changes: what it returns must not either."""

    @wraps(function)
    def known(graph: Graph, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function.__module__, function.__qualname__, args, tuple(sorted(kwargs.items())))
        if key not in graph._known:
            graph._known[key] = function(graph, *args, **kwargs)
        found: T = graph._known[key]
        return found

    return known
