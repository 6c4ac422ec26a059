"""The network that training starts from: initialised, or from weights, whose head may be for other classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec
from edgebench.models import build, initialize, user, zoo
from edgebench.models import weights as weights_file
from edgebench.models.layouts import layout
from edgebench.models.layouts.adapting import library_of
from edgebench.training.settings import Settings

NAMED = 3
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Start:
    """A network on the CPU, and the names of the layers that the weights had for other classes."""

    network: nn.Module
    replaced: tuple[str, ...] = ()


def start(spec: ModelSpec, settings: Settings, weights: Path | None) -> Start:
    """Returns a network to train. Without `init` it has the values that `build` gives, a user's network its factory's.

    From `weights` everything is taken that fits; a last layer for another number of classes is left initialised.
    Raises UsageError for weights of another network, and for an `init` of which the weights leave nothing.
    """
    network = _initialised(spec, settings)
    if weights is None:
        return Start(network)
    ignored = () if user.is_user_network(spec.name) else zoo.family_of(spec).training_only
    replaced = _load(network, weights, spec, ignored)
    if settings.init and not replaced:
        raise UsageError(f"`init='{settings.init}'` does nothing with `weights`, which give every layer: leave one out")
    return Start(network, replaced)


def _initialised(spec: ModelSpec, settings: Settings) -> nn.Module:
    if user.is_user_network(spec.name):
        network = build.build(spec, seed=settings.seed)
        return initialize.for_training(network, settings.init, settings.seed) if settings.init else network
    network = build.skeleton(spec).to_empty(device="cpu")
    if not settings.init:
        return initialize.initialize(network, spec, settings.seed)
    return initialize.for_training(network, settings.init, settings.seed)


def _load(network: nn.Module, path: Path, spec: ModelSpec, ignored: tuple[str, ...]) -> tuple[str, ...]:
    own, given = network.state_dict(), weights_file.named_as_ours(path, spec.name)
    head = {key for key in own if key in given and _is_for_other_classes(own[key], given[key], spec.classes)}
    given = {key: value for key, value in given.items() if key in own or not key.startswith(ignored)}
    strange = [
        *(key for key in own if key not in given and not key.endswith(_COUNTER) and not key.startswith(ignored)),
        *(key for key in given if key not in own),
        *(key for key in own if key in given and key not in head and own[key].shape != given[key].shape),
    ]
    if strange or not given:
        raise UsageError(_misfit(path, spec, strange, len(own)))
    with torch.no_grad():
        for key, value in given.items():
            if key not in head:
                own[key].copy_(value)
        _take_epsilon(network, path, spec)
    return tuple(dict.fromkeys(key.rpartition(".")[0] for key in sorted(head)))


def _take_epsilon(network: nn.Module, path: Path, spec: ModelSpec) -> None:
    """Puts the difference to another library's epsilon into the variances: what is trained has our layout, and ours."""
    library = library_of(path)
    eps = layout(library, spec.name).eps if library else None
    for module in network.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var += eps - module.eps


def _is_for_other_classes(own: Tensor, given: Tensor, classes: int) -> bool:
    return own.shape != given.shape and own.shape[0] == classes and own.shape[1:] == given.shape[1:]


def _misfit(path: Path, spec: ModelSpec, strange: list[str], count: int) -> str:
    named = ", ".join(strange[:NAMED]) + (" and more" if len(strange) > NAMED else "")
    return (
        f"the weights in {path} are not those of {spec.key}: {len(strange)} of its {count} tensors are missing,"
        f" of another shape, or too many ({named}); give the network that they were trained for"
    )
