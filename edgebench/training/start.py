"""What training starts from: a network, its weights, whose head may be for other classes, and what of it is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import ModelSpec
from edgebench.models import build, initialize, user, zoo
from edgebench.models import weights as weights_file
from edgebench.models.layouts import layout, library_of
from edgebench.training.settings import ALL_BUT_HEAD, Settings

NAMED = 3
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Start:
    """A network on the CPU, and the names of the layers that the weights had for other classes."""

    network: nn.Module
    replaced: tuple[str, ...] = ()


def start(spec: ModelSpec, settings: Settings, weights: Path | None, module: nn.Module | None = None) -> Start:
    """Returns a network to train. Without `init` it has the values that `build` gives, a user's network its factory's,
    a copy of a `module` that one's.

    From `weights` everything is taken that fits; a last layer for another number of classes is left initialised.
    Raises UsageError for weights of another network, and for an `init` of which the weights leave nothing.
    """
    own = user.is_user_network(spec.name)
    network = (
        build.build(spec, seed=settings.seed, module=module) if own else build.skeleton(spec).to_empty(device="cpu")
    )
    if settings.init:
        initialize.for_training(network, settings.init, settings.seed)
    elif not own:
        initialize.initialize(network, spec, settings.seed)
    if weights is None:
        return Start(network)
    ignored = () if own else zoo.family_of(spec).training_only
    replaced = _load(network, weights, spec, ignored)
    if settings.init and not replaced:
        raise UsageError(f"`init='{settings.init}'` does nothing with `weights`, which give every layer: leave one out")
    return Start(network, replaced)


def _load(network: nn.Module, path: Path, spec: ModelSpec, ignored: tuple[str, ...]) -> tuple[str, ...]:
    own, given = network.state_dict(), weights_file.named_as_ours(path, spec.name)
    misshapen = [key for key in own if key in given and own[key].shape != given[key].shape]
    head = {
        key for key in misshapen if own[key].shape[0] == spec.classes and own[key].shape[1:] == given[key].shape[1:]
    }
    given = {key: value for key, value in given.items() if key in own or not key.startswith(ignored)}
    strange = [
        *(key for key in own if key not in given and not key.endswith(_COUNTER) and not key.startswith(ignored)),
        *(key for key in given if key not in own),
        *(key for key in misshapen if key not in head),
    ]
    if strange or not given:
        named = ", ".join(strange[:NAMED]) + (" and more" if len(strange) > NAMED else "")
        raise UsageError(
            f"the weights in {path} are not those of {spec.key}: {len(strange)} of its {len(own)} tensors are missing,"
            f" of another shape, or too many ({named}); give the network that they were trained for"
        )
    with torch.no_grad():
        for key, value in given.items():
            if key not in head:
                own[key].copy_(value)
        # What is trained has our layout and epsilon: the difference to the library's goes into the variances.
        library = library_of(path)
        eps = layout(library, spec.name).eps if library else None
        for module in network.modules():
            if eps is not None and isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                module.running_var += eps - module.eps
    return tuple(dict.fromkeys(key.rpartition(".")[0] for key in sorted(head)))


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
    last = len(names) - 1
    if until != ALL_BUT_HEAD:
        inside = [index for index, name in enumerate(names) if name == until or name.startswith(f"{until}.")]
        if not inside:
            stages = [name for name, _ in network.named_modules() if name and name.count(".") < 2]
            raise unknown("module to freeze up to", until, [*stages, ALL_BUT_HEAD])
        last = inside[-1] + 1
    frozen = names[:last]
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
            f"{each:.0f} images a class are few to train from scratch: `weights` of a related task with `freeze` need"
            " far fewer epochs"
        )
    if from_weights and each < FEW and settings_freeze != ALL_BUT_HEAD:
        return f"with {each:.0f} images a class, `freeze='{ALL_BUT_HEAD}'` is safer: more would be learnt by heart"
    if from_weights and FEW <= each < SOME and not settings_freeze:
        return f"with {each:.0f} images a class, freezing the first half of the network is faster and about as accurate"
    if from_weights and each >= SOME and settings_freeze:
        return f"with {each:.0f} images a class, training everything (no `freeze`) should reach more"
    return ""


def frozen_at_random(until: str, *, from_weights: bool) -> str:
    """Returns one sentence where what is frozen has never been trained; empty where nothing is, or weights are there.

    To be said before the run, which may be long: a network of your own may have weights nevertheless.
    """
    if not until or from_weights:
        return ""
    return f"`freeze='{until}'` without `weights` keeps initial values as they are, which learn nothing: give `weights`"
