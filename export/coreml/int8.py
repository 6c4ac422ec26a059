"""int8 for CoreML: 8-bit weights alone (iOS 16), or weights and activations (iOS 17) with ranges from our evaluator."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgebench.formats import calibrated
from edgebench.formats.coreml.evaluate import Program, load_package
from edgebench.formats.coreml.passes import PASSES, round_layers, round_weights
from edgebench.formats.examples import Array
from edgebench.formats.layers import relative_errors, torch_names
from edgebench.formats.network import Network
from edgebench.formats.quiet import quiet
from edgebench.graph.operators import Graph
from edgebench.ground.process import one_thread
from edgebench.ground.records import LayerError, Quantization, QuantizationReport

WEIGHTED = ("conv", "linear")
NORMALISED = "local response normalisation divides by what 8 bits cannot hold"
SYMMETRIC = "int8, symmetric about zero"


def write(network: Network, made: Callable[[Graph], Any], path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes the package `path` in int8; returns what was decided, and warnings. `made` makes a float one."""
    wanted = network.quantization or Quantization()
    with one_thread():
        if wanted.scheme == "weights":
            model, source = made(network.graph), path.with_name(f"float-{path.name}")
            save(model, source)
            save(round_weights(model), path)
            original = load_package(source)
            layers = layer_errors(original, load_package(path), network.layer_images, _names(network, original))
            return calibrated.weights_only(network, "float16", layers)
        steps = calibrated.of_graph(network, network.graph, _steps(network, made, path))
        report, warnings = calibrated.make(network, steps, path)
        return msgspec.structs.replace(report, activations=SYMMETRIC), warnings


def save(model: Any, path: Path) -> None:
    """Writes a package."""
    with quiet(PASSES):
        model.save(str(path))


def _steps(network: Network, made: Callable[[Graph], Any], path: Path) -> Callable[[Graph], calibrated.Steps]:
    """How a graph of the network becomes static int8; `made` makes a float package of one."""
    numbers = count()

    def of(graph: Graph) -> calibrated.Steps:
        model, source = made(graph), path.with_name(f"float-{next(numbers)}-{path.name}")
        save(model, source)
        original = load_package(source)
        names = _names(network, original)
        apart = normalisation(original)
        # The sums of the last dense layer are exact before they are rounded.
        last = next((one.name for one in reversed(original.operators) if one.op_type == "linear"), "")

        def write(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
            left = [operator for operator in _weighted(original) if names[operator.name] in kept]
            floats = [*apart, *(one.name for one in left)]
            save(round_layers(model, ranges, floats, last, [one.weight.op.name for one in left]), target)

        return calibrated.Steps(
            activations=lambda images: map(original.activations, images),
            write=write,
            run=lambda path: load_package(path).run,  # type: ignore[no-any-return,unused-ignore]
            layers=lambda path, images: layer_errors(original, load_package(path), images, names),
        )

    return of


def _names(network: Network, original: Program) -> dict[str, str]:
    return torch_names(network, {one.name: int(np.size(one.weight.val)) for one in _weighted(original)})


def layer_errors(
    original: Program, rounded: Program, images: Sequence[Array], names: Mapping[str, str]
) -> tuple[LayerError, ...]:
    """Errors of convolutions, dense layers and normalisations of the int8 package against the float one, in order.

    `names` holds the layers' names in torch by the package's own.
    """
    stored = {operator.outputs[0].name: _stored(operator) for operator in rounded.operators}
    ends = _normalised(original)
    outputs = {one.outputs[0].name: str(one.op_type) for one in original.operators}
    kinds = {name: "LRN" if name in ends else kind for name, kind in outputs.items()}
    layers = {name: kind for name, kind in kinds.items() if kind in (*WEIGHTED, "LRN")}
    passes = ((rounded.activations(image), original.activations(image)) for image in images)
    errors = relative_errors(
        ({name: found[name] for name in layers}, {name: expected[name] for name in layers})
        for found, expected in passes
    )
    return tuple(
        LayerError(
            name=names.get(name, name),
            kind=kind,
            relative_l2_error=errors[name],
            stored="float" if kind == "LRN" else stored[name],
            why=NORMALISED if kind == "LRN" else "",
        )
        for name, kind in layers.items()
    )


def _stored(operator: Any) -> str:
    """What an operator computes in: int8 where its input comes from dequantize."""
    given = operator.inputs.get("x")
    maker = given.op if given is not None and not isinstance(given, list | tuple) else None
    return "int8" if maker is not None and maker.op_type == "dequantize" else "float"


def normalisation(program: Program) -> list[str]:
    """Names of the operators inside local response normalisations: from a tensor to what it is divided by."""
    return [name for names in _normalised(program).values() for name in names]


def _normalised(program: Program) -> dict[str, list[str]]:
    found = {}
    for operator in program.operators:
        if operator.op_type == "real_div" and operator.x.op is not None:
            between = _between(operator.y, operator.x)
            if between:
                found[operator.outputs[0].name] = between
        elif operator.op_type == "local_response_norm":
            found[operator.outputs[0].name] = [operator.name]
    return found


def _between(end: Any, start: Any) -> list[str]:
    """Operators that compute `end` from `start` and constants alone; none where a weighted layer is among them."""
    seen: dict[str, None] = {}
    waiting, reached = [end], False
    while waiting:
        variable = waiting.pop()
        reached |= variable is start
        operator = variable.op
        if variable is start or operator is None or operator.op_type == "const" or operator.name in seen:
            continue
        if operator.op_type in WEIGHTED:
            return []
        seen[operator.name] = None
        waiting += [one for one in operator.inputs.values() if one is not None and not isinstance(one, list | tuple)]
    return list(seen) if reached else []


def _weighted(program: Program) -> list[Any]:
    """Convolutions and dense layers whose weights are constants."""
    found = [operator for operator in program.operators if operator.op_type in WEIGHTED]
    return [operator for operator in found if operator.weight.val is not None]
