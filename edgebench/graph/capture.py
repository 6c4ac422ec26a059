"""Capture: a torch module becomes a Graph with weights, by way of the aten calls that it makes.

The program is walked call by call. What depends on constants only is executed by torch itself; every other call is
handed to its rule, which builds the operators of its result. Torch is asked to decompose a call only when it has no
rule, or when it changes a view in place. The Graph is then simplified.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import fx, nn

from edgebench.graph import capture_program
from edgebench.graph.builder import Builder, dtype_of
from edgebench.graph.capture_axes import AXES
from edgebench.graph.capture_call import Call, Decompose, Rule, aten_name, location, refusal, schema_of, shape_of
from edgebench.graph.capture_elements import ELEMENTS, dtype_in_graph
from edgebench.graph.capture_functions import FUNCTIONS
from edgebench.graph.capture_layers import LAYERS
from edgebench.graph.capture_moves import MOVES
from edgebench.graph.capture_picks import PICKS
from edgebench.graph.capture_places import PLACES
from edgebench.graph.capture_program import Program
from edgebench.graph.capture_record import recorded
from edgebench.graph.capture_windows import WINDOWS
from edgebench.graph.operators import Graph, Input, Operator
from edgebench.graph.simplify import simplify
from edgebench.ground.errors import ExportError
from edgebench.ground.process import collection_paused

if TYPE_CHECKING:
    from torch.export import ExportedProgram

RULES: Final[dict[str, Rule]] = LAYERS | WINDOWS | ELEMENTS | FUNCTIONS | AXES | MOVES | PICKS | PLACES

_NO_FORMAT: Final = "is not among edgebench's operators, nor can torch say it in those that are"
_REFUSED: Final[dict[str, str]] = {
    "cond": "decides by the values of a tensor, which no exported file can follow: write it with torch.where",
    "item": "takes a tensor's value for a number, which no exported file can follow",
    "nms": "suppresses overlapping boxes, as many as the image has: do it behind the network",
    "nonzero": "gives as many values as the image has, and a file has fixed shapes",
}
_RANDOM: Final = ("rand", "normal", "bernoulli", "multinomial", "uniform", "poisson", "exponential")
_LIKE: Final = {
    "expand_as": "expand",
    "reshape_as": "reshape",
    "type_as": "reshape",
    "view_as": "reshape",
}  # shapes alone
_KEPT: Final = {*RULES, *_REFUSED, *_LIKE}
_SKIPPED: Final = ("_assert", "sym_constrain")


@collection_paused()
def capture(
    network: nn.Module | ExportedProgram, inputs: Sequence[int] | Sequence[torch.Tensor | Sequence[int]] = ()
) -> Graph:
    """Returns the simplified Graph of `network` (in evaluation) for one image.

    `inputs` is the input's shape or, where there are several, an example tensor or a shape for each; a program that
    was exported already has its own. Weights that no rewrite touches share torch's memory. Raises ExportError for a
    network that torch.export cannot follow, or that has an operator which is not covered: the message names it, its
    module and what to do.
    """
    if not isinstance(network, nn.Module):
        return simplify(read(network))
    capture_program.require_evaluation(network)
    examples = _examples(inputs)
    program = recorded(network, examples, _KEPT)
    if program is not None:
        # What a record does not show, torch.export may say in simpler calls; else it has the words for what is wrong.
        with contextlib.suppress(Decompose, ExportError):
            return simplify(_Walk(program).graph())
    return simplify(read(capture_program.export_program(network, examples)))


def read(program: ExportedProgram) -> Graph:
    """Returns the Graph of an exported program as it is written, before simplification."""
    targets: list[Any] = []
    while True:
        try:
            return _Walk(capture_program.program_of(program)).graph()
        except Decompose as wanted:
            functional = bool(targets) or wanted.target is not None
            simpler = None
            if wanted.target not in targets:
                targets.append(wanted.target)
                simpler = capture_program.decomposed(program, [target for target in targets if target is not None])
            if simpler is None:
                raise refusal(wanted.node, _NO_FORMAT if functional else "changes a view in place") from wanted
            program = simpler


def _examples(inputs: Sequence[Any]) -> list[torch.Tensor]:
    several = inputs if inputs and not isinstance(inputs[0], int) else [inputs]
    return [one if isinstance(one, torch.Tensor) else torch.zeros(tuple(one)) for one in several]


class _Walk:
    """One pass over a program: what each of its nodes stands for so far.

    A node's value is an Operator where it depends on the input, else what torch computed; lists hold the same.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.build = Builder()

    def graph(self) -> Graph:
        """Returns the Graph of the whole program."""
        results = self._region(self.program.graph, self.program.root, self._start())
        outputs = [one for one, returned in zip(results, self.program.returned, strict=True) if returned]
        if not any(isinstance(output, Operator) for output in outputs):
            raise ExportError("the network's output does not depend on its input, so there is nothing to convert")
        self.build.begin("output", "")
        kept = [output for output in outputs if isinstance(output, Operator | torch.Tensor)]
        names = tuple(self.build.name_of(one if isinstance(one, Operator) else one.numpy()) for one in kept)
        return Graph(tuple(self.build.operators.values()), names, self.build.constants)

    def _start(self) -> dict[fx.Node, Any]:
        inputs = self.program.inputs
        values: dict[fx.Node, Any] = {}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                values[node] = self.program.constants.get(node.name)
                if node.name in inputs and isinstance(node.meta.get("val"), torch.Tensor):
                    values[node] = self._input(node, "input" if len(inputs) == 1 else node.name)
        return values

    def _input(self, node: fx.Node, name: str) -> Input:
        dtype = dtype_in_graph(node.meta["val"].dtype)
        if dtype is None or node.meta["val"].dtype == torch.float64:
            raise ExportError(f"the network's input '{node.name}' is {node.meta['val'].dtype}; give it as float32")
        made = Input(name=name, inputs=(), shape=shape_of(node) or (), dtype=dtype)
        self.build.register(made)
        return made

    def _region(self, graph: fx.Graph, root: object, values: dict[fx.Node, Any]) -> list[Any]:
        """Walks `graph`, whose attributes `root` has, and returns its results; `values` holds its placeholders'."""
        norms, inner = capture_program.local_response_norms(graph)
        for node in graph.nodes:
            if node.op == "get_attr":
                values[node] = operator.attrgetter(node.target)(root)
            elif node.op == "output":
                results = _looked_up(node.args[0], values)
                return list(results) if isinstance(results, list | tuple) else [results]
            elif node in norms:
                values[node] = self._ruled(node, "local_response_norm", _looked_up(norms[node], values))
            elif node.op == "call_function" and node not in inner:
                values[node] = self._call(node, values)
        return []

    def _call(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        arguments = _looked_up((node.args, node.kwargs), values)
        if node.target is operator.getitem:
            whole, place = arguments[0]
            # Of torch's several results (a batch norm's statistics) a rule may give the first alone: no other is read.
            return whole if isinstance(whole, Operator) and place == 0 else whole[place]
        schema, name = schema_of(node), aten_name(node)
        if name in _REFUSED and name not in RULES and _depends(arguments):
            raise refusal(node, _REFUSED[name], "")
        if schema is None:
            return self._nested(node, arguments[0])
        if name.startswith(_SKIPPED):
            return None
        if name.startswith(_RANDOM):
            raise refusal(node, "draws random numbers, which a file cannot")
        if not _depends(arguments):
            with torch.no_grad():
                return cast(Any, node.target)(*arguments[0], **arguments[1])
        if _is_complex(node.meta.get("val")):
            raise refusal(node, "computes with complex numbers, which no format here has: say it with real ones", "")
        if name in _LIKE and isinstance(arguments[0][0], torch.Tensor):
            alike = node.meta["val"]
            return getattr(arguments[0][0], _LIKE[name])(alike.shape).to(alike.dtype)
        bound = {
            one.name: arguments[1].get(one.name, arguments[0][at] if at < len(arguments[0]) else one.default_value)
            for at, one in enumerate(schema.arguments)
        }
        if name not in RULES:
            raise Decompose(node, node.target)
        if capture_program.mutates(node):
            return self._changed(node, name, bound, values)
        return self._ruled(node, name, bound)

    def _changed(self, node: fx.Node, name: str, bound: dict[str, Any], values: dict[fx.Node, Any]) -> Any:
        """A call in place: whoever reads its first argument from here on reads the result."""
        if capture_program.changes_a_view(node):
            raise Decompose(node, None)
        made = self._ruled(node, name, bound)
        values[cast(fx.Node, node.args[0])] = made
        return made

    def _nested(self, node: fx.Node, arguments: Sequence[Any]) -> Any:
        """A call of a part of the program as under torch.autocast or no_grad: the part is walked where it stands."""
        at = next((at for at, one in enumerate(arguments) if isinstance(one, fx.GraphModule)), None)
        if at is None:
            raise refusal(node, _NO_FORMAT)
        part: fx.GraphModule = arguments[at]
        holders = [one for one in part.graph.nodes if one.op == "placeholder"]
        return self._region(part.graph, part, dict(zip(holders, arguments[at + 1 :], strict=True)))

    def _ruled(self, node: fx.Node, name: str, arguments: Mapping[str, Any]) -> Any:
        self.build.begin(self._name(node), location(node)[0])
        made = RULES[name](Call(node, arguments, self.build))
        if isinstance(made, Operator):
            made = self.build.finish(made)
            _check(node, made)
        return made

    def _name(self, node: fx.Node) -> str:
        """The module's path, as whoever reads the file or an estimate knows it; the call's name behind a second one."""
        path = location(node)[0]
        name = path or node.name
        if name in self.build.operators:
            name = f"{path}.{node.name}"
        while name in self.build.operators:
            name += "_"
        return name


def _looked_up(value: Any, values: Mapping[fx.Node, Any]) -> Any:
    """Arguments with what their nodes stand for."""
    if isinstance(value, fx.Node):
        return values[value]
    if isinstance(value, list | tuple):
        return [_looked_up(one, values) for one in value]
    if isinstance(value, dict):
        return {key: _looked_up(one, values) for key, one in value.items()}
    return value


def _depends(value: Any) -> bool:
    """Whether a value depends on the network's input."""
    if isinstance(value, list | dict):
        return any(_depends(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, Operator)


def _is_complex(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_complex()


def _check(node: fx.Node, made: Operator) -> None:
    """Raises ExportError unless the operator has the shape and dtype that torch exported."""
    exported = node.meta["val"]
    exported = exported[0] if isinstance(exported, list | tuple) else exported
    dtype = dtype_in_graph(exported.dtype)
    if dtype is None:
        raise refusal(node, f"computes in {exported.dtype}; edgebench covers float32")
    if (made.shape, dtype_of(made)) != (shape_of(node), dtype):
        raise refusal(
            node,
            f"became {made.dtype} {made.shape} where torch has {dtype} {shape_of(node)}: this is a fault of edgebench",
        )
