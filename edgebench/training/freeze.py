"""What of a network is not trained, and advice on it by the size of the data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from edgebench.ground.errors import UsageError, unknown
from edgebench.training.settings import ALL_BUT_HEAD

FEW, SOME = 50, 1000
"""Images a class below which only the head, or only the later half, is worth training from weights of another task."""


@dataclass(frozen=True)
class Frozen:
    """The modules that stay as they are; their batch norms keep their statistics too."""

    modules: tuple[nn.Module, ...] = ()
    parameters: int = 0


def freeze(network: nn.Module, until: str) -> Frozen:
    """Freezes everything up to and with the module `until`, in the order of definition; "" freezes nothing.

    "all-but-head" leaves the last layer that has weights. Raises UsageError for a module that does not exist, and where
    nothing would be left to train.
    """
    if not until:
        return Frozen()
    names = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))]
    frozen = names[:-1] if until == ALL_BUT_HEAD else names[: _end(network, names, until)]
    if len(frozen) == len(names):
        raise UsageError(f"`freeze='{until}'` leaves nothing to train: name an earlier module, or {ALL_BUT_HEAD}")
    modules = tuple(network.get_submodule(name) for name in frozen)
    parameters = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    for parameter in parameters:
        parameter.requires_grad_(False)
    return Frozen(modules, sum(parameter.numel() for parameter in parameters))


def train_mode(network: nn.Module, frozen: Frozen) -> None:
    """Puts the network into training mode; frozen modules stay in evaluation, batch norms above all."""
    network.train()
    for module in frozen.modules:
        module.eval()


def advice(images: int, classes: int, settings_freeze: str, *, from_weights: bool) -> str:
    """Returns one sentence on what is worth training with so many images; empty where the choice is the usual one."""
    each = images / classes
    if not from_weights and each < SOME:
        return (
            f"{each:.0f} images a class are few to train from scratch: --weights of a related task with --freeze needs"
            " far fewer epochs"
        )
    if from_weights and each < FEW and settings_freeze != ALL_BUT_HEAD:
        return f"with {each:.0f} images a class, --freeze {ALL_BUT_HEAD} is safer: more would be learnt by heart"
    if from_weights and FEW <= each < SOME and not settings_freeze:
        return f"with {each:.0f} images a class, freezing the first half of the network is faster and about as accurate"
    if from_weights and each >= SOME and settings_freeze:
        return f"with {each:.0f} images a class, training everything (no --freeze) should reach more"
    return ""


def frozen_at_random(until: str, *, from_weights: bool) -> str:
    """Returns one sentence where what is frozen has never been trained; empty where nothing is, or weights are there.

    To be said before the run, which may be long: a network of your own may have weights nevertheless.
    """
    if not until or from_weights:
        return ""
    return f"`freeze='{until}'` without `weights` keeps initial values as they are, which learn nothing: give `weights`"


def _end(network: nn.Module, names: list[str], until: str) -> int:
    """How many of the named modules lie up to and with `until`."""
    inside = [index for index, name in enumerate(names) if name == until or name.startswith(f"{until}.")]
    if not inside:
        stages = [name for name, _ in network.named_modules() if name and name.count(".") < 2]
        raise unknown("module to freeze up to", until, [*stages, ALL_BUT_HEAD])
    return inside[-1] + 1
