"""One aten call of an exported program, its arguments under the names of the operator's schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import fx

from edgebench.graph.operators import Array, Operator, Pair, Shape
from edgebench.ground.errors import ExportError


@dataclass(frozen=True)
class Call:
    """What a converter sees of one call: its arguments, and the operators and constants they refer to.

    `name` is unique in the program, and the module's path where that is.
    """

    node: fx.Node
    name: str
    arguments: Mapping[str, Any]
    operators: Mapping[fx.Node, Operator]
    constants: Mapping[fx.Node, torch.Tensor]

    @property
    def module(self) -> str:
        """Dotted path of the module that made the call."""
        return location(self.node)[0]

    @property
    def shape(self) -> Shape:
        """Shape of the output."""
        return tuple(int(size) for size in self.node.meta["val"].shape)

    @property
    def place(self) -> dict[str, Any]:
        """The fields that every operator has, filled for one that reads the first argument."""
        return self.reading(self.operand())

    def reading(self, *sources: Operator) -> dict[str, Any]:
        """The fields that every operator has, filled for one that reads `sources`."""
        inputs = tuple(source.name for source in sources)
        return {"name": self.name, "inputs": inputs, "shape": self.shape, "module": self.module}

    def operand(self, argument: str | int = 0) -> Operator:
        """The operator whose output is the named argument, or the one at a position. Raises ExportError if none."""
        node = self._argument(argument)
        if node not in self.operators:
            raise self.refuse("reads a value that does not come from the network's input")
        return self.operators[node]

    def is_computed(self, argument: str | int) -> bool:
        """Whether the argument depends on the network's input."""
        return self._argument(argument) in self.operators

    def read_only_here(self, argument: str | int = 0) -> bool:
        """Whether nobody else reads the argument, so that the operator before may be replaced."""
        return len(cast(fx.Node, self._argument(argument)).users) == 1

    def weight(self, argument: str) -> torch.Tensor | None:
        """The parameter or buffer given as an argument; None where torch was given None."""
        node = self._argument(argument)
        if node is None:
            return None
        if node not in self.constants:
            raise self.refuse(f"has a computed {argument}")
        return self.constants[node].detach()

    def array(self, argument: str) -> Array | None:
        """The same as a float32 array; it shares torch's memory where it can."""
        tensor = self.weight(argument)
        return None if tensor is None else as_array(tensor)

    def pair(self, argument: str, default: Pair | None = None) -> Pair:
        """A (height, width) argument, which torch writes as one number, as one of a list, or as two."""
        value = self.arguments[argument]
        if default is not None and not value:
            return default
        values = [value] if isinstance(value, int) else list(value)
        return (int(values[0]), int(values[-1]))

    def refuse(self, reason: str) -> ExportError:
        """The error for a call that the Graph cannot hold."""
        return refusal(self.node, reason)

    def _argument(self, argument: str | int) -> Any:
        if isinstance(argument, int):
            return self.node.args[argument]
        return self.arguments[argument]


Converter = Callable[[Call], Operator | tuple[Operator, ...]]


def as_array(tensor: torch.Tensor) -> Array:
    """Returns a float32 array of `tensor`, without a copy where it is float32 already."""
    return np.asarray(tensor.detach().float().numpy(), dtype=np.float32)


def bind(node: fx.Node) -> dict[str, Any]:
    """Returns the call's arguments by name, defaults filled in."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return dict(node.kwargs)
    given = {parameter.name: value for parameter, value in zip(target._schema.arguments, node.args, strict=False)}
    defaults = {p.name: p.default_value for p in target._schema.arguments if p.has_default_value()}
    return defaults | given | dict(node.kwargs)


def aten_name(node: fx.Node) -> str:
    """Returns the operator's bare name, in-place variants as their plain form: aten::relu_ is "relu"."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return getattr(node.target, "__name__", str(node.target))
    name = node.target._schema.name.removeprefix("aten::")
    return name if name.startswith("_") else name.removesuffix("_")


def location(node: fx.Node) -> tuple[str, str]:
    """Returns the dotted path and the class name of the module that made the call; ("", "") when unknown."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "", ""
    path, kind = stack[-1]
    return str(path), str(kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]


def refusal(node: fx.Node, reason: str) -> ExportError:
    """Returns the error that names the operator, where it is in the network, and what to do."""
    path, kind = location(node)
    where = f"module '{path}' ({kind})" if path else f"the network's own forward ({kind})" if kind else "the network"
    return ExportError(
        f"aten.{aten_name(node)} in {where} {reason}; take `converter='litert-torch'`, or export `format='onnx'`"
    )
