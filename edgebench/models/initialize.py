"""Values for a network that has no trained weights: deterministic, and alive through any depth.

Untrained networks are measured and their exported files compared with torch, so their outputs must depend on all
layers, neither vanish nor explode, and not magnify rounding errors. Three steps see to that:

1. weights are drawn uniformly with He's variance, 2 / fan-in (He et al., 2015, equation 10);
2. batch norms get the running statistics of a small batch that is sent through once (noise and smooth images), and
   scales and shifts that are not trivial. Shifts before an activation are mostly positive: a random rectified layer
   that cuts half of its inputs stretches the distance of two neighbours by 1.21 (batch norm divides by what the
   rectifier took away), 37,000-fold through 55 layers; one that cuts 10% stretches it by 1.04;
3. the last layer is scaled so that the outputs of that batch have a root mean square of 1.

The batch is sent through by one thread, since sums depend on how they are split: one seed gives one network, to the
bit, whatever the number of threads (another kind of CPU may differ in the last bits).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgebench.ground.process import one_thread
from edgebench.ground.records import ModelSpec

SMALL = 128
"""Resolution of the images sent through a network whose layers do not depend on the resolution."""

_SCALE = (0.8, 1.2)
_SHIFT = (-0.1, 0.1)
_SHIFT_BEFORE_ACTIVATION = (0.5, 2.0)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)


@torch.no_grad()
def initialize(network: nn.Module, spec: ModelSpec, seed: int) -> nn.Module:
    """Fills all parameters and buffers of an (uninitialised) network in place and returns it, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    activated = _activated(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            shift = _SHIFT_BEFORE_ACTIVATION if module in activated else _SHIFT
            module.reset_running_stats()
            module.weight.uniform_(*_SCALE, generator=generator)
            module.bias.uniform_(*shift, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            bound = math.sqrt(6 / module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-0.1, 0.1, generator=generator)
            last = module
    with one_thread():
        outputs = _calibrate(network, _images(network, spec, generator))
        spread = outputs.square().mean().sqrt().item()
        if spread >= 1e-6:  # a lone output behind a rectifier may be zero; there is nothing to scale then
            last.weight.div_(spread)
            if last.bias is not None:
                last.bias.div_(spread)
    return network


def _activated(network: nn.Module) -> set[nn.Module]:
    """The batch norms whose output goes straight into an activation (and not into a residual sum)."""
    pairs = (pair for module in network.modules() for pair in pairwise(module.named_children()))
    return {
        first
        for (_, first), (name, second) in pairs
        if isinstance(first, nn.BatchNorm2d) and isinstance(second, _ACTIVATIONS) and name != "activation_out"
    }


def _images(network: nn.Module, spec: ModelSpec, generator: torch.Generator) -> Tensor:
    """A batch of unit variance: half of it noise, half of it smooth."""
    _, channels, height, width = spec.input_shape
    count = 1
    if any(isinstance(child, nn.AdaptiveAvgPool2d) for child in network.children()):
        height, width, count = min(height, SMALL), min(width, SMALL), 4
    noise = torch.randn(count, channels, height, width, generator=generator)
    coarse = torch.randn(count // 2, channels, -(-height // 16) + 1, -(-width // 16) + 1, generator=generator)
    noise[: count // 2] = 1.5 * nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    return noise


def _calibrate(network: nn.Module, images: Tensor) -> Tensor:
    """Sends the images through; every batch norm normalises by, and keeps, their statistics."""
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    outputs: Tensor = network(images)
    for norm in norms:
        norm.eval()
        norm.momentum = 0.1
    return outputs


@torch.no_grad()
def for_training(network: nn.Module, scheme: str, seed: int) -> nn.Module:
    """Fills all parameters and buffers in place with what training starts from, and returns the network.

    Weights are normal with the variance of He et al. (2015), 2 / fan-in ("he"), or uniform with that of Glorot and
    Bengio (2010), 2 / (fan-in + fan-out) ("xavier"); fans are those of one group. Biases are 0; batch norms have scale
    1 and shift 0, their own statistics none.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            fan_out = module.weight[:, 0].numel() // (module.groups if isinstance(module, nn.Conv2d) else 1)
            if scheme == "he":
                module.weight.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)
            else:
                bound = math.sqrt(6 / (fan_in + fan_out))
                module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
    return network
