"""The few torch modules that torch itself does not have: how a plan's containers and odd leaves compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from edgebench.ground.records import ModelSpec
from edgebench.models.plan import Join

_JOINS: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda outputs: outputs[0] + outputs[1],
    "multiply": lambda outputs: outputs[0] * outputs[1],
    "concat": lambda outputs: torch.cat(outputs, dim=1),
}


class Parallel(nn.Module):
    """Feeds its input, after what stands `before`, to several paths of named modules, and joins their outputs.

    The modules of all paths are direct children, so that a block's state-dict keys are those of its layers.
    """

    def __init__(
        self,
        paths: Sequence[Mapping[str, nn.Module]],
        join: Join,
        activation: nn.Module | None = None,
        before: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        before = before or {}
        self.before = tuple(before)
        self.paths = tuple(tuple(path) for path in paths)
        self.join = join
        for path in (before, *paths):
            for name, module in path.items():
                self.add_module(name, module)
        self.activation_out = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Any (N, C, H, W) that every path takes."""
        x = self._run(self.before, x)
        outputs = [self._run(path, x) for path in self.paths]
        output: Tensor = self.activation_out(_JOINS[self.join](outputs))
        return output

    def _run(self, path: tuple[str, ...], x: Tensor) -> Tensor:
        for name in path:
            x = getattr(self, name)(x)
        return x


class Conv(nn.Conv2d):
    """A convolution padded by rows above and below and columns left and right, which need not be equally many."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int,
        pads: tuple[int, int, int, int],
        *,
        groups: int,
        bias: bool,
    ) -> None:
        top, bottom, left, right = pads
        even = top == bottom and left == right
        super().__init__(channels, out, kernel, stride, (top, left) if even else 0, groups=groups, bias=bias)
        self.outside = None if even else (left, right, top, bottom)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H', W')."""
        return super().forward(x if self.outside is None else nn.functional.pad(x, self.outside))


class SideBranch(nn.Sequential):
    """A classifier on the side, which Network runs in training mode only."""


class Network(nn.Sequential):
    """A whole network, built of `spec`. In training mode it returns (output, side outputs...) where it has these."""

    spec: ModelSpec | None = None

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, C, H, W) -> (N, classes)."""
        sides = []
        for layer in self:
            if not isinstance(layer, SideBranch):
                x = layer(x)
            elif self.training:
                sides.append(layer(x))
        return (x, *sides) if sides else x


class Subsample(nn.Module):
    """Every `stride`-th row and column."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""
        return x[:, :, :: self.stride, :: self.stride]


class Channels(nn.Module):
    """`count` channels from `start`."""

    def __init__(self, start: int, count: int) -> None:
        super().__init__()
        self.start, self.count = start, count

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, count, H, W)."""
        return x[:, self.start : self.start + self.count]


class Shuffle(nn.Module):
    """Channels as a table of `groups` rows, read by columns."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        batch, channels, height, width = x.shape
        apart = x.view(batch, self.groups, channels // self.groups, height, width)
        return apart.transpose(1, 2).reshape(batch, channels, height, width)


class PadChannels(nn.Module):
    """`extra` channels of zeros behind the others."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + extra, H, W)."""
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.extra))
