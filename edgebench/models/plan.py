"""A network as plain data: a tree of frozen dataclasses that a family file makes from its paper's table.

Two interpreters read it, so that a network is described once: `build` makes the torch module, `graph.sketch` the
torch-free Graph. The names in the tree are the names of the torch modules and thereby the keys of the state dict.

Leaves know their output shape and parameter count. There are three containers: Sequence runs its layers one after
the other; Parallel feeds its input to several paths and joins what they give (by addition: a residual block, by
multiplication: a squeeze-and-excitation gate, by concatenation: an Inception block); SideBranch hangs a classifier
for training on the side. Shapes are torch's without the batch: (C, H, W), or (C,) once flattened.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

from edgebench.ground.errors import UsageError

Shape = tuple[int, ...]
Join = Literal["add", "multiply", "concat"]
Function = Literal["relu", "relu6", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A layer that holds no other layers; by default it changes no shape and has no parameters."""

    def output(self, shape: Shape) -> Shape:
        """Returns the output's shape for an input of `shape`. Raises UsageError where nothing would be left."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Returns the number of trainable parameters for an input of `shape`."""
        return 0


@dataclass(frozen=True, slots=True)
class Conv(Leaf):
    """Square 2-D convolution, padded symmetrically as torch does: by (kernel - 1) / 2 unless `padding` says else.

    "same" is TensorFlow's way: as much as ceil(size / stride) windows need, an odd row or column behind the input.
    """

    out: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False
    padding: int | Literal["same"] | None = None

    def pads(self, shape: Shape) -> tuple[int, int, int, int]:
        """Zeros above, below, left and right of an input of `shape`."""
        if self.padding != "same":
            return (self.kernel // 2 if self.padding is None else self.padding,) * 4
        lacking = [max(0, (-(-size // self.stride) - 1) * self.stride + self.kernel - size) for size in shape[1:]]
        top, left = (each // 2 for each in lacking)
        return top, lacking[0] - top, left, lacking[1] - left

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (out, H', W')."""
        if self.padding == "same":
            return (self.out, *(-(-size // self.stride) for size in shape[1:]))
        padding = self.pads(shape)[0]
        return (self.out, *[windows(size, self.kernel, self.stride, padding) for size in shape[1:]])

    def parameters(self, shape: Shape) -> int:
        """out * (C / groups) * kernel^2 weights, and `out` biases."""
        return self.out * (shape[0] // self.groups * self.kernel**2 + self.bias)


@dataclass(frozen=True, slots=True)
class Dense(Leaf):
    """Fully connected layer with bias."""

    out: int

    def output(self, shape: Shape) -> Shape:
        """(C,) -> (out,)."""
        return (self.out,)

    def parameters(self, shape: Shape) -> int:
        """out * C weights and `out` biases."""
        return self.out * (shape[0] + 1)


@dataclass(frozen=True, slots=True)
class BatchNorm(Leaf):
    """Batch normalisation over channels; folded into the convolution before it wherever speed matters."""

    eps: float = 1e-5

    def parameters(self, shape: Shape) -> int:
        """A scale and a shift a channel."""
        return 2 * shape[0]


@dataclass(frozen=True, slots=True)
class Activation(Leaf):
    """An element-wise non-linearity."""

    function: Function


@dataclass(frozen=True, slots=True)
class Dropout(Leaf):
    """Dropout with probability `rate`; nothing in evaluation."""

    rate: float


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Leaf):
    """x / (k + alpha / size * sum over `size` neighbouring channels of x^2) ^ beta."""

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True, slots=True)
class Pool(Leaf):
    """Max or average pooling. `ceil`: a last window may reach over the edge, as in Caffe."""

    mode: Literal["max", "average"]
    window: int
    stride: int
    padding: int = 0
    ceil: bool = False

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C, H', W')."""
        sizes = (windows(size, self.window, self.stride, self.padding, ceil=self.ceil) for size in shape[1:])
        return (shape[0], *sizes)


@dataclass(frozen=True, slots=True)
class GridPool(Leaf):
    """Average pooling with fixed windows down to a `size` x `size` grid; a grid that is smaller already is left.

    stride = H // size and window = H - (size - 1) * stride, per axis. Where H is a multiple of `size` this is torch's
    adaptive pooling; elsewhere all windows are equal, as every runtime has them.
    """

    size: int

    def pools(self, shape: Shape) -> bool:
        """Whether an input of `shape` needs pooling at all."""
        return any(size > self.size for size in shape[1:])

    def windows(self, shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns (window height, width) and (stride height, width) for an input of `shape`."""
        strides = [max(1, size // self.size) for size in shape[1:]]
        spans = [max(1, size - (self.size - 1) * stride) for size, stride in zip(shape[1:], strides, strict=True)]
        return (spans[0], spans[1]), (strides[0], strides[1])

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C, min(H, size), min(W, size))."""
        return (shape[0], *(min(size, self.size) for size in shape[1:]))


@dataclass(frozen=True, slots=True)
class GlobalPool(Leaf):
    """Mean over height and width."""

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C, 1, 1)."""
        return (shape[0], 1, 1)


@dataclass(frozen=True, slots=True)
class Flatten(Leaf):
    """(C, H, W) -> (C*H*W,), in that order."""

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C*H*W,)."""
        return (math.prod(shape),)


@dataclass(frozen=True, slots=True)
class Subsample(Leaf):
    """Every `stride`-th row and column."""

    stride: int

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C, ceil(H / stride), ceil(W / stride))."""
        return (shape[0], *(-(-size // self.stride) for size in shape[1:]))


@dataclass(frozen=True, slots=True)
class PadChannels(Leaf):
    """`extra` channels of zeros behind the others."""

    extra: int

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (C + extra, H, W)."""
        return (shape[0] + self.extra, *shape[1:])


@dataclass(frozen=True, slots=True)
class Channels(Leaf):
    """`count` channels from `start`."""

    start: int
    count: int

    def output(self, shape: Shape) -> Shape:
        """(C, H, W) -> (count, H, W)."""
        return (self.count, *shape[1:])


@dataclass(frozen=True, slots=True)
class Shuffle(Leaf):
    """Channels as a table of `groups` rows, read by columns."""

    groups: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Named layers, one after the other. An empty one hands on its input."""

    layers: tuple[tuple[str, Layer], ...] = ()


@dataclass(frozen=True, slots=True)
class Parallel:
    """Paths that all read what `before` makes of the input; their outputs are joined in the order of the paths, then
    activated."""

    paths: tuple[Sequence, ...]
    join: Join
    activation: Function | None = None
    before: Sequence = Sequence()


@dataclass(frozen=True, slots=True)
class SideBranch:
    """A classifier on the side, for training only: its input is handed on untouched."""

    body: Sequence


Layer = Leaf | Sequence | Parallel | SideBranch


def windows(size: int, window: int, stride: int, padding: int, *, ceil: bool = False) -> int:
    """Returns how many windows fit into `size` cells with `padding` on both sides (torch's arithmetic).

    With `ceil` a last window may start inside the input and end outside. Raises UsageError where none fits.
    """
    room = size + 2 * padding - window
    count = room // stride + 1
    if ceil and room % stride and (count * stride) < size + padding:
        count += 1
    if count < 1:
        raise UsageError(f"a window of {window} does not fit an input of {size}: use a larger resolution")
    return count


def sequence(**layers: Layer) -> Sequence:
    """Returns a Sequence whose layers have the given names."""
    return Sequence(tuple(layers.items()))


def numbered(*layers: Layer) -> Sequence:
    """Returns a Sequence whose layers are named 0, 1, 2, ..., as torch.nn.Sequential names them."""
    return Sequence(tuple((str(index), layer) for index, layer in enumerate(layers)))


def padded_as_tensorflow(network: Sequence) -> Sequence:
    """Returns the same layers with "same" padding in every convolution that pads by default."""
    return Sequence(tuple((name, _padded(layer)) for name, layer in network.layers))


def _padded(layer: Layer) -> Layer:
    if isinstance(layer, Conv):
        return replace(layer, padding="same") if layer.padding is None else layer
    if isinstance(layer, Sequence):
        return padded_as_tensorflow(layer)
    if isinstance(layer, Parallel):
        before, *paths = (padded_as_tensorflow(each) for each in (layer.before, *layer.paths))
        return replace(layer, paths=tuple(paths), before=before)
    return layer


def conv_norm(
    out: int, kernel: int, stride: int = 1, groups: int = 1, *, activation: Function | None, eps: float = 1e-5
) -> Sequence:
    """Returns a convolution without bias, batch norm and, unless None, an activation."""
    after = (Activation(activation),) if activation else ()
    return numbered(Conv(out, kernel, stride, groups), BatchNorm(eps), *after)


def residual(branch: Sequence, shortcut: Sequence | None = None, *, activation: Function | None = None) -> Parallel:
    """Returns activation(branch(x) + shortcut(x)); without a shortcut the sum is with x itself."""
    return Parallel((branch, shortcut or Sequence()), "add", activation)


def gate(body: Sequence) -> Parallel:
    """Returns x * body(x)."""
    return Parallel((Sequence(), body), "multiply")


def squeeze_excite(channels: int, squeezed: int, inner: Function, outer: Function) -> Parallel:
    """Returns x * outer(expand(inner(squeeze(mean of x)))) (Hu et al., 2018), named as torchvision names it."""
    return gate(
        sequence(
            avgpool=GlobalPool(),
            fc1=Conv(squeezed, 1, bias=True),
            activation=Activation(inner),
            fc2=Conv(channels, 1, bias=True),
            scale_activation=Activation(outer),
        )
    )


def classifier(dropout: float, classes: int) -> Sequence:
    """Returns dropout and a dense layer, named 0 and 1."""
    return numbered(Dropout(dropout), Dense(classes))


def trace(layer: Layer, shape: Shape) -> Generator[tuple[Leaf, Shape], None, Shape]:
    """Yields every leaf, side branches included, with its input's shape; returns the output's shape."""
    if isinstance(layer, Sequence):
        for _, inner in layer.layers:
            shape = yield from trace(inner, shape)
        return shape
    if isinstance(layer, SideBranch):
        yield from trace(layer.body, shape)
        return shape
    if isinstance(layer, Parallel):
        shape = yield from trace(layer.before, shape)
        shapes = []
        for path in layer.paths:
            shapes.append((yield from trace(path, shape)))
        return joined(layer.join, shapes)
    yield layer, shape
    return layer.output(shape)


def joined(join: Join, shapes: list[Shape]) -> Shape:
    """Returns the shape of the joined outputs of several paths."""
    if join == "concat":
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return shapes[0]


def parameters(layer: Layer, shape: Shape) -> int:
    """Returns the number of trainable parameters of a whole network for an input of `shape`, (C, H, W)."""
    return sum(leaf.parameters(at) for leaf, at in trace(layer, shape))
