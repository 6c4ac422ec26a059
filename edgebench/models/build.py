"""Builds the torch module of a spec: from the plan for the zoo, from its factory for a user's network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgebench.ground.records import ModelSpec
from edgebench.models import in_hand, initialize, layers, layouts, plan, user, zoo
from edgebench.models import weights as weights_file

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
}
_POOLS: dict[str, Callable[..., nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
_LEAVES: dict[type, Callable[[Any, plan.Shape], nn.Module]] = {
    plan.Conv: lambda leaf, shape: layers.Conv(
        shape[0], leaf.out, leaf.kernel, leaf.stride, leaf.pads(shape), groups=leaf.groups, bias=leaf.bias
    ),
    plan.Dense: lambda leaf, shape: nn.Linear(shape[0], leaf.out),
    plan.BatchNorm: lambda leaf, shape: nn.BatchNorm2d(shape[0], leaf.eps),
    plan.Activation: lambda leaf, _: _ACTIVATIONS[leaf.function](),
    plan.Dropout: lambda leaf, _: nn.Dropout(leaf.rate),
    plan.LocalResponseNorm: lambda leaf, _: nn.LocalResponseNorm(leaf.size, leaf.alpha, leaf.beta, leaf.k),
    plan.Pool: lambda leaf, _: _POOLS[leaf.mode](leaf.window, leaf.stride, leaf.padding, ceil_mode=leaf.ceil),
    plan.GridPool: lambda leaf, shape: nn.AvgPool2d(*leaf.windows(shape)) if leaf.pools(shape) else nn.Identity(),
    plan.GlobalPool: lambda leaf, _: nn.AdaptiveAvgPool2d(1),
    plan.Flatten: lambda leaf, _: nn.Flatten(),
    plan.Subsample: lambda leaf, _: layers.Subsample(leaf.stride),
    plan.PadChannels: lambda leaf, _: layers.PadChannels(leaf.extra),
    plan.Channels: lambda leaf, _: layers.Channels(leaf.start, leaf.count),
    plan.Shuffle: lambda leaf, _: layers.Shuffle(leaf.groups),
}


def build(spec: ModelSpec, *, weights: Path | None = None, seed: int = 0, module: nn.Module | None = None) -> nn.Module:
    """Returns the network in evaluation mode, on the CPU, in float32; the global random state stays as it was.

    With `weights` (.pth, .pt, .safetensors) a zoo network holds that file's values, and nothing is initialised that
    the file overwrites. Without, values are drawn from `seed` (the same seed gives the same network), such that
    activations keep their scale through any depth and the outputs have a root mean square near 1 (see `initialize`).
    A user's network keeps what its factory gave it, under the same seed; of a `module` in hand it is a copy.

    Raises UsageError for a factory that fails and for weights that cannot be read or do not fit.
    """
    own = user.is_user_network(spec.name)
    if module is not None:
        network = in_hand.copied(module)
    elif own:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = user.make(spec)
    else:
        network = skeleton(spec, same=weights is not None and layouts.pads_as_tensorflow(spec, weights))
    if weights is not None:
        weights_file.load(network, weights, spec.name, () if own else zoo.family_of(spec).training_only)
    elif not own:
        network = initialize.initialize(network.to_empty(device="cpu"), spec, seed)
    return network.eval()


def skeleton(spec: ModelSpec, *, same: bool = False) -> nn.Module:
    """Returns a zoo network on torch's meta device: every shape and name, and no values.

    `same`: padded as TensorFlow pads, whatever the family does.
    """
    network_plan = zoo.plan_of(spec)
    with torch.device("meta"):
        children, _ = _children(plan.padded_as_tensorflow(network_plan) if same else network_plan, spec.input_shape[1:])
    network = layers.Network(children)
    network.spec = spec
    return network


def _module(layer: plan.Layer, shape: plan.Shape) -> tuple[nn.Module, plan.Shape]:
    if isinstance(layer, plan.Leaf):
        return _LEAVES[type(layer)](layer, shape), layer.output(shape)
    if isinstance(layer, plan.SideBranch):
        return layers.SideBranch(_children(layer.body, shape)[0]), shape
    if isinstance(layer, plan.Sequence):
        children, shape = _children(layer, shape)
        return nn.Sequential(children), shape
    before, shape = _children(layer.before, shape)
    built = [_children(path, shape) for path in layer.paths]
    activation = _ACTIVATIONS[layer.activation]() if layer.activation else None
    module = layers.Parallel([children for children, _ in built], layer.join, activation, before)
    return module, plan.joined(layer.join, [at for _, at in built])


def _children(body: plan.Sequence, shape: plan.Shape) -> tuple[OrderedDict[str, nn.Module], plan.Shape]:
    children = OrderedDict()
    for name, layer in body.layers:
        children[name], shape = _module(layer, shape)
    return children, shape
