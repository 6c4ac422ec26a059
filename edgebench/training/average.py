"""The exponential moving average of a network's values, which is what is evaluated and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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
