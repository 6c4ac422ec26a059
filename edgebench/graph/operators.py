"""The Graph: a short list of typed CNN operators with shapes, and weights where they are known.

Every operator names its inputs, so its name is also the name of its one output tensor. Shapes are torch's (batch 1,
NCHW or NC). Batch norm is folded into the convolution before it, and an activation that directly follows a
convolution, dense layer or addition is its `activation`. A graph that was sketched from a block table, without
torch, is the same graph with `weight=None`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]  # top, bottom, left, right
Function = Literal["relu", "relu6", "sigmoid", "silu", "tanh", "hardswish", "hardsigmoid", "gelu", "elu", "leaky_relu"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """Base of all operators. `module` is the dotted path of the torch module it came from, for messages."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    module: str = ""

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
    """The network's input."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Operator):
    """2-D convolution with folded batch norm. `weight` is (out, in / groups, kernel height, kernel width)."""

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
class Dense(Operator):
    """Fully connected layer over the last axis. `weight` is (out, in), its columns in torch's (CHW) order.

    `flattened` is the (C, H, W) that was flattened to make its input, where there was one: a channels-last writer
    permutes the columns by it.
    """

    in_features: int
    activation: Function | None = None
    flattened: tuple[int, int, int] | None = None
    weight: Array | None = None
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Operator):
    """Max or average pooling. Ceil mode is already in `padding` (bottom and right) and `shape`.

    `counts_padding`: whether an average divides by the whole window (torch's count_include_pad) or by its real part.
    """

    mode: Literal["max", "average"]
    window: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    counts_padding: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalPool(Operator):
    """Mean over height and width; the output is (1, C, 1, 1) or, without kept dimensions, (1, C)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Operator):
    """Element-wise sum of two tensors, or of one tensor and a `constant` (a scalar or one value a channel)."""

    activation: Function | None = None
    constant: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Mul(Operator):
    """Element-wise product; a (1, C, 1, 1) input is broadcast, as in squeeze-and-excitation."""

    activation: Function | None = None
    constant: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Operator):
    """Concatenation along the channel axis."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Operator):
    """An activation that could not be fused. `slope` is leaky ReLU's or ELU's parameter."""

    function: Function
    slope: float = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalResponseNorm(Operator):
    """x / (k + alpha / size * sum over `size` neighbouring channels of x^2) ^ beta (Krizhevsky et al., 2012)."""

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Operator):
    """A change of shape without a change of order, such as flattening (1, C, H, W) to (1, CHW)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Operator):
    """Zero padding of height and width (`padding`) and channels (`channels`: before, after)."""

    padding: Padding = (0, 0, 0, 0)
    channels: Pair = (0, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Subsample(Operator):
    """Every `stride`-th row and column: x[:, :, ::stride, ::stride], as in a parameter-free ResNet shortcut."""

    stride: Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Operator):
    """Softmax over the last axis of an (1, C) tensor."""


@dataclass(frozen=True)
class Graph:
    """Operators in execution order, the first of them the Input; `output` names the last tensor."""

    operators: tuple[Operator, ...]
    output: str
    _index: dict[str, Operator] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({operator.name: operator for operator in self.operators})

    def __getitem__(self, name: str) -> Operator:
        return self._index[name]

    @property
    def input(self) -> Operator:
        """The Input operator."""
        return self.operators[0]

    def producers(self, operator: Operator) -> tuple[Operator, ...]:
        """The operators whose outputs `operator` reads."""
        return tuple(self._index[name] for name in operator.inputs)

    def counts(self) -> dict[str, int]:
        """How many operators of each kind, the input left out."""
        return dict(Counter(operator.kind for operator in self.operators[1:]))
