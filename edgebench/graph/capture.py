"""Capture: a torch module becomes a Graph with weights, by way of torch.export.

`capture_program` exports and tidies the program; here each of its calls is handed to its converter. A converter gives
the operator for its call, or a new version of an operator before it (batch norm folded in, activation fused), which
then takes that one's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from edgebench.graph.capture_call import Call, Converter, aten_name, bind, location, refusal
from edgebench.graph.capture_elementwise import ELEMENTWISE
from edgebench.graph.capture_layers import LAYERS
from edgebench.graph.capture_program import export_program, tidy
from edgebench.graph.capture_shapes import SHAPES
from edgebench.graph.fold import mark_flattened
from edgebench.graph.operators import Graph, Input, Operator
from edgebench.ground.errors import ExportError
from edgebench.ground.process import collection_paused

if TYPE_CHECKING:
    from torch.export import ExportedProgram

CONVERTERS: dict[str, Converter] = LAYERS | ELEMENTWISE | SHAPES


@collection_paused()
def capture(module: nn.Module, input_shape: Sequence[int]) -> Graph:
    """Returns the Graph of `module` (in evaluation) for one image of `input_shape`, (1, C, H, W).

    Batch norm is folded in float64, ReLU and ReLU6 are fused; weights without batch norm share torch's memory. Raises
    ExportError for a network that torch.export cannot follow, that has more than one input or output, or that has an
    operator which is not covered: the message names it, its module and what to do.
    """
    program = export_program(module, tuple(input_shape))
    tidy(program.graph)
    walk = _Walk(_constants(program))
    walk.start(_input(program, type(module).__name__))
    for node in list(program.graph.nodes):
        if node.op == "call_function":
            walk.convert(node)
    return walk.graph(_output(program, type(module).__name__))


@dataclass
class _Walk:
    """What has been converted so far: the operators in order, and which of them each node stands for."""

    constants: dict[fx.Node, torch.Tensor]
    operators: dict[str, Operator] = field(default_factory=dict)
    values: dict[fx.Node, Operator] = field(default_factory=dict)

    def start(self, node: fx.Node) -> None:
        self._keep(node, Input(name="input", inputs=(), shape=tuple(int(size) for size in node.meta["val"].shape)))

    def convert(self, node: fx.Node) -> None:
        made = _converter(node)(Call(node, self._name(node), bind(node), self.values, self.constants))
        source = node.args[0]
        if isinstance(source, fx.Node) and made is self.values.get(source):
            # A call that changes nothing: its readers read the source, so that whoever counts readers sees them all.
            node.replace_all_uses_with(source)
            node.graph.erase_node(node)
            return
        for operator in made if isinstance(made, tuple) else (made,):
            self._keep(node, operator)

    def graph(self, result: fx.Node) -> Graph:
        if result not in self.values:
            raise ExportError("the network's output does not depend on its input, so there is nothing to convert")
        output = self.values[result].name
        return mark_flattened(Graph(_reachable(self.operators, output), output))

    def _name(self, node: fx.Node) -> str:
        """The module's path, as whoever reads the file or an estimate knows it; the call's name behind a second one."""
        path = location(node)[0]
        name = path or node.name
        if name in self.operators:
            name = f"{path}.{node.name}"
        while name in self.operators:
            name += "_"
        return name

    def _keep(self, node: fx.Node, operator: Operator) -> None:
        self.operators[operator.name] = operator
        self.values[node] = operator


def _converter(node: fx.Node) -> Converter:
    name = aten_name(node)
    if name not in CONVERTERS:
        raise refusal(node, "is not among edgebench's operators")
    if node.meta["val"].dtype != torch.float32:
        raise refusal(node, f"computes in {node.meta['val'].dtype}; edgebench covers float32")
    return CONVERTERS[name]


def _constants(program: ExportedProgram) -> dict[fx.Node, torch.Tensor]:
    """The parameters, buffers and constants, by the placeholder that stands for each."""
    signature = program.graph_signature
    targets = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    values = {**program.constants, **program.state_dict}
    placeholders = (node for node in program.graph.nodes if node.op == "placeholder")
    return {node: values[targets[node.name]] for node in placeholders if node.name in targets}


def _input(program: ExportedProgram, network: str) -> fx.Node:
    return _only([n for n in program.graph.nodes if n.name in program.graph_signature.user_inputs], network, "input")


def _output(program: ExportedProgram, network: str) -> fx.Node:
    results = program.graph.output_node().args[0]
    nodes = [node for node in results if isinstance(node, fx.Node)] if isinstance(results, Sequence) else []
    return _only(nodes, network, "output")


def _only(nodes: list[fx.Node], network: str, end: str) -> fx.Node:
    if len(nodes) != 1:
        raise ExportError(
            f"the network {network} has {len(nodes)} {end}s; edgebench converts networks with one image in and one "
            "tensor out: wrap it in a module that has those"
        )
    return nodes[0]


def _reachable(operators: dict[str, Operator], output: str) -> tuple[Operator, ...]:
    """The operators that the output needs, the input first and always."""
    needed = {output}
    for operator in reversed(operators.values()):
        if operator.name in needed:
            needed.update(operator.inputs)
    return tuple(one for one in operators.values() if one.name in needed or isinstance(one, Input))
