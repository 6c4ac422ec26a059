"""Training that feels int8: weights and activations rounded as the int8 file has them, gradients passed straight on.

Weights are symmetric, -127..127, with a scale for each output channel; activations have one scale and zero point a
tensor, 256 levels. Scaling a channel of a convolution commutes with rounding it by its own largest value, so folding
the batch norm that follows later changes nothing, and weights are rounded as they are. A tensor is rounded where the
file has one: convolution, batch norm and ReLU are one operator, SiLU and sigmoid are operators of their own. The
network's state dict stays that of the float network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from edgebench.models.layers import Parallel

LEVELS = 255
WEIGHT_LEVELS = 127
FOLLOW = 0.01  # share of a new batch in the moving range of an activation (Jacob et al., 2018, section 3.1)
_WEIGHTED = (nn.Conv2d, nn.Linear)
_FUSED = (nn.ReLU, nn.ReLU6)
_ACTIVATIONS = (*_FUSED, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid)
_AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


class Rounding(nn.Module):
    """Rounds one activation tensor to 256 levels between the moving averages of its least and largest values."""

    on: Tensor
    follows: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor
    zero: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("on", torch.ones(1, dtype=torch.int64))
        self.register_buffer("follows", torch.ones(1, dtype=torch.int64))
        self.register_buffer("low", torch.tensor(float("inf")))
        self.register_buffer("high", torch.tensor(float("-inf")))
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("zero", torch.zeros(1, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Any float tensor; the range follows it in training mode only."""
        follows = self.follows if self.training else torch.zeros_like(self.follows)
        rounded: Tensor = torch.fused_moving_avg_obs_fake_quant(
            x, follows, self.on, self.low, self.high, self.scale, self.zero, FOLLOW, 0, LEVELS, -1, False, False
        )
        return rounded


class FakeQuantization(nn.Module):
    """The roundings of one network. While they are attached the network computes as its int8 file would."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._layers = [module for module in network.modules() if isinstance(module, _WEIGHTED)]
        points = list(_points(network))
        self.image = Rounding()
        self.roundings = nn.ModuleList([Rounding() for _ in points])
        self._handles = [
            network.register_forward_pre_hook(lambda _, inputs: (self.image(inputs[0]), *inputs[1:])),
            *(
                point.register_forward_hook(lambda _, inputs, output, rounding=rounding: rounding(output))
                for point, rounding in zip(points, self.roundings, strict=True)
            ),
        ]
        for layer in self._layers:
            layer.forward = _with_rounded_weight(layer)  # type: ignore[method-assign]

    def hold(self) -> None:
        """Lets the ranges of activations stay as they are from now on."""
        for module in self.modules():
            if isinstance(module, Rounding):
                module.follows.zero_()

    def detach(self) -> None:
        """Gives the network back as it was."""
        for handle in self._handles:
            handle.remove()
        for layer in self._layers:
            del layer.forward


def round_weight(weight: Tensor) -> Tensor:
    """Returns a weight [out, ...] rounded to -127..127 of each output channel's largest value; gradients pass."""
    largest = weight.detach().abs().flatten(1).amax(1)
    scale = (largest / WEIGHT_LEVELS).clamp_min(torch.finfo(torch.float32).tiny)
    zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -WEIGHT_LEVELS, WEIGHT_LEVELS)


def _with_rounded_weight(layer: nn.Module) -> Any:
    def convolve(x: Tensor) -> Tensor:
        output: Tensor = layer._conv_forward(x, round_weight(layer.weight), layer.bias)  # type: ignore[operator, arg-type]
        return output

    def multiply(x: Tensor) -> Tensor:
        return nn.functional.linear(x, round_weight(layer.weight), layer.bias)  # type: ignore[arg-type]

    return convolve if isinstance(layer, nn.Conv2d) else multiply


def _points(network: nn.Module) -> Iterator[nn.Module]:
    """Yields every module whose output is a tensor of the int8 file."""
    absorbed = {first for module in network.modules() for first, second in _neighbours(module) if _fuses(first, second)}
    joins = {module.activation_out for module in network.modules() if isinstance(module, Parallel)}
    computing = (*_WEIGHTED, nn.BatchNorm2d, *_ACTIVATIONS, *_AVERAGES)
    for module in network.modules():
        if module in joins or (isinstance(module, computing) and module not in absorbed):
            yield module


def _neighbours(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Pairs of children of which the second takes what the first gives."""
    if isinstance(module, Parallel):
        for path in module.paths:
            yield from pairwise(getattr(module, name) for name in path)
    else:
        yield from pairwise(module.children())


def _fuses(first: nn.Module, second: nn.Module) -> bool:
    """Whether the int8 file has no tensor between the two."""
    if isinstance(second, nn.BatchNorm2d):
        return isinstance(first, _WEIGHTED)
    return isinstance(second, _FUSED) and isinstance(first, (*_WEIGHTED, nn.BatchNorm2d))
