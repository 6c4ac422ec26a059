"""What flows inside an OpenVINO network, and what 8 bits cost at each of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from edgebench.formats.examples import Array
from edgebench.formats.inside import Inside
from edgebench.formats.inspect import INT8
from edgebench.formats.layers import relative_errors
from edgebench.formats.onnx.layers import FLOAT_KINDS, activations, named
from edgebench.formats.openvino.flow import ROUNDING, WEIGHTED, Flow, Node, layer
from edgebench.ground.records import LayerError
from edgebench.runtimes.openvino.engine import compiled, openvino, read


def inside(path: Path) -> Inside:
    """A function that gives what every operator of a folder computes for one input (1, C, H, W), in order."""
    model = read(str(path))
    ports = [port for node in Flow(model).operators for port in node.outputs() if port.element_type.is_real()]
    run = watched(model, ports)
    names = [port.get_node().get_friendly_name() for port in ports]
    return lambda x: zip(names, run(x), strict=True)


def watched(model: Any, ports: Sequence[Any]) -> Callable[[Array], list[Array]]:
    """A function that gives the values of `ports` for one input."""
    request = compiled(openvino.Model(list(ports), model.get_parameters()), exact=True).create_infer_request()
    return lambda x: list(request.infer([x]).to_tuple())


@dataclass(frozen=True)
class Layer:
    """A layer of an int8 network: its name in torch, where its output is read, and that tensor's name in float ONNX."""

    name: str
    kind: str
    port: Any
    original: str
    stored: str


def layer_errors(model: ModelProto, path: Path, images: Sequence[Array]) -> tuple[LayerError, ...]:
    """Errors of the layers of an int8 folder against the float ONNX network that it was made from, in order."""
    rounded = read(str(path))
    found = layers(model, rounded)
    errors = relative_errors(_pairs(model, rounded, found, images))
    return tuple(
        LayerError(
            name=one.name,
            kind=one.kind,
            relative_l2_error=errors[one.original],
            stored=one.stored,
            why=FLOAT_KINDS.get(one.kind, "") if one.stored == "float" else "",
        )
        for one in found
    )


def _pairs(
    model: ModelProto, rounded: Any, found: Sequence[Layer], images: Sequence[Array]
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    names = [one.original for one in found]
    run = watched(rounded, [one.port for one in found])
    for image, expected in zip(images, activations(model, images, names), strict=True):
        yield dict(zip(names, run(image), strict=True)), {name: expected[name] for name in names}


def layers(model: ModelProto, rounded: Any) -> list[Layer]:
    """The layers of an int8 network: convolutions, dense layers, and what stays float by its kind."""
    nodes = {node.name: node for node in model.graph.node}
    written = {name for node in model.graph.node for name in node.output}
    flow, found = Flow(rounded), []
    for node, computes in zip(flow.operators, flow.computes(), strict=True):
        kind, origin = node.get_type_name(), nodes.get(layer(node))
        weighted = kind in WEIGHTED and bool(flow.constants(node))
        if origin is None or not (weighted or kind in FLOAT_KINDS):
            continue
        last = _with_bias(node, flow) if weighted else node
        # The quantizer gives a layer the output of a ReLU that it takes in.
        original = next(iter(last.output(0).get_names() & written), origin.output[0])
        stored = "int8" if computes == INT8 else "float"
        found.append(Layer(named(origin), kind, _as_read(last).output(0), original, stored))
    return found


def _with_bias(node: Node, flow: Flow) -> Node:
    readers = _readers(node)
    biased = len(readers) == 1 and readers[0].get_type_name() == "Add" and flow.constants(readers[0])
    return readers[0] if biased else node


def _as_read(node: Node) -> Node:
    """A node, or what rounds its output."""
    return next((each for each in _readers(node) if each.get_type_name() == ROUNDING), node)


def _readers(node: Node) -> list[Node]:
    return [each.get_node() for each in node.output(0).get_target_inputs()]
