"""Optimisers, the learning rate of each step, the sizes of gradients, and the average of a network's values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgebench.training.settings import Settings

MOMENTUM = 0.9
FIRST = 3  # layers at the input whose gradients are followed
_WEIGHTED = (nn.Conv2d, nn.Linear)


def optimizer(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Returns the optimiser of everything that is trained; biases and norms, of one dimension, do not decay."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": settings.decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True)


def learning_rate(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """Returns the rate of a step, counted from 0: a straight warm-up, then half a cosine down to 0, or constant.

    The cosine is that of Loshchilov and Hutter (2017), equation 5, without restarts.
    """
    warmup = min(settings.warmup, settings.epochs) * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / (math.floor(warmup) + 1)
    if settings.schedule == "constant":
        return settings.learning_rate
    share = (step - warmup) / max(1.0, settings.epochs * steps_per_epoch - warmup)
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))


def followed(network: nn.Module) -> dict[str, Tensor]:
    """Returns the weights of the first few layers and of the last, by layer name: where gradients vanish, it shows."""
    layers = {name: module.weight for name, module in network.named_modules() if isinstance(module, _WEIGHTED)}
    names = list(layers)
    return {name: layers[name] for name in dict.fromkeys([*names[:FIRST], *names[-1:]])}


def norm(tensors: Iterable[Tensor | None]) -> float:
    """Returns the L2 norm of all tensors together; what is None counts as 0."""
    squares = [float(tensor.detach().square().sum()) for tensor in tensors if tensor is not None]
    return math.sqrt(math.fsum(squares))


class Average:
    """Follows a network's parameters and buffers: average += (1 - decay) (value - average) after every step.

    The decay begins small, min(decay, (1 + n) / (10 + n)) at step n, so that the random beginning is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes in the network's values after a step; whole numbers, such as counters, are copied."""
        self.steps += 1
        share = 1.0 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)

    def state(self) -> dict[str, object]:
        """What `restore` needs."""
        return {"steps": self.steps, "values": self.values}

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes up the average where `state` left it."""
        steps, values = state["steps"], state["values"]
        if not isinstance(steps, int) or not isinstance(values, dict):
            raise TypeError("this is no state of an average")
        self.steps = steps
        for name, value in self.values.items():
            value.copy_(values[name])


@contextmanager
def averaged(network: nn.Module, average: Average | None) -> Iterator[None]:
    """Puts the averaged values into the network for as long as the block runs."""
    if average is None:
        yield
        return
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    _put(network, average.values)
    try:
        yield
    finally:
        _put(network, own)


@torch.no_grad()
def _put(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, value in network.state_dict().items():
        value.copy_(values[name])
