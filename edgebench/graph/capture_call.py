"""One aten call of an exported program, its arguments under the names of the operator's schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import torch
from torch import fx

from edgebench.graph.builder import Builder, Operand
from edgebench.graph.operators import Array, Operator, Pair, Shape
from edgebench.ground.errors import ExportError

LITERT_TORCH: Final = ", or take `converter='litert-torch'` for TFLite"


class Decompose(Exception):
    """A call has to be said in simpler ones (`None`: only changes in place have to go)."""

    def __init__(self, node: fx.Node, target: Any | None) -> None:
        self.node, self.target = node, target


@dataclass(frozen=True)
class Call:
    """What a rule sees of one call that depends on the network's input.

    An argument is an operator where it depends on the input, a torch tensor where it is constant, else what torch was
    given; lists hold the same. `build` makes the operators of the result.
    """

    node: fx.Node
    arguments: Mapping[str, Any]
    build: Builder

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    def get(self, argument: str, default: Any = None) -> Any:
        """An argument that not every overload of the operator has."""
        return self.arguments.get(argument, default)

    @property
    def shape(self) -> Shape:
        """Shape of the output, the first if there are several."""
        return shape_of(self.node) or ()

    @property
    def x(self) -> Operator:
        """The first argument, which depends on the input. Raises ExportError if it does not."""
        value = next(iter(self.arguments.values()))
        if not isinstance(value, Operator):
            raise self.refuse("computes from the network's input only what stands behind a constant")
        return value

    def operand(self, argument: str) -> Any:
        """An argument as the builder takes it: an operator, a numpy array or a number."""
        return as_operand(self.arguments[argument])

    def weight(self, argument: str) -> Array | None:
        """A constant argument in torch's own memory; None where torch was given None."""
        value = self.arguments[argument]
        if isinstance(value, Operator):
            raise self.refuse(f"has a {argument} that depends on the network's input, which no format's layer takes")
        return None if value is None else cast(Array, as_operand(value))

    def double(self, argument: str) -> Array | None:
        """A constant argument in float64, to compute with."""
        value = self.weight(argument)
        return None if value is None else value.astype(np.float64)

    def needed(self, argument: str) -> Array:
        """A constant argument that must be there."""
        value = self.weight(argument)
        if value is None:
            raise self.refuse(f"has no {argument}")
        return value

    def numbers(self, argument: str, count: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """An argument of one number an axis, which torch writes as one for all or as a list, perhaps an empty one."""
        value = self.arguments[argument]
        if default is not None and (value is None or value == []):
            return default
        values = [value] if isinstance(value, int) else list(value)
        return tuple(int(one) for one in (values * count if len(values) == 1 else values))

    def pair(self, argument: str, default: Pair | None = None) -> Pair:
        """A (height, width) argument."""
        return cast(Pair, self.numbers(argument, 2, default))

    def refuse(self, reason: str) -> ExportError:
        """The error for a call that the Graph cannot hold."""
        return refusal(self.node, reason)

    def simpler(self) -> Decompose:
        """What to raise for a call whose form no rule has, but torch may say in other calls."""
        return Decompose(self.node, self.node.target)


Result = Operand | torch.Tensor | list[Any]
Rule = Callable[[Call], Result]


def as_operand(value: Any) -> Any:
    """Returns a tensor as a numpy array in the same memory, and anything else as it is."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def shape_of(node: fx.Node) -> Shape | None:
    """Returns the shape of a node's output, of the first if there are several; None where it has no tensor.

    Raises ExportError for a size that depends on values.
    """
    value = node.meta.get("val")
    value = value[0] if isinstance(value, list | tuple) and value else value
    if not isinstance(value, torch.Tensor):
        return None
    if not all(isinstance(size, int) for size in value.shape):
        raise refusal(node, "has as many values as a mask holds, and a file has fixed shapes: index by numbers", "")
    return tuple(value.shape)


def schema_of(node: fx.Node) -> torch.FunctionSchema | None:
    """Returns the schema of an aten call; None for a region of the program, which is a call too."""
    return node.target._schema if isinstance(node.target, torch._ops.OpOverload) else None


def aten_name(node: fx.Node) -> str:
    """Returns the operator's bare name, in-place variants as their plain form: aten::relu_ is "relu"."""
    schema = schema_of(node)
    if schema is None:
        return getattr(node.target, "__name__", str(node.target))
    name = schema.name.rpartition("::")[2]
    return name if name.startswith("_") else name.removesuffix("_")


def location(node: fx.Node) -> tuple[str, str]:
    """Returns the dotted path and the class name of the module that made the call; ("", "") when unknown."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "", ""
    path, kind = stack[-1]
    return str(path), str(kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]


def refusal(node: fx.Node, reason: str, way: str = LITERT_TORCH) -> ExportError:
    """Returns the error that names the operator, where it is in the network, and what to do: `way` is another one."""
    path, kind = location(node)
    where = f"module '{path}' ({kind})" if path else f"the network's own forward ({kind})" if kind else "the network"
    schema = schema_of(node)
    space = schema.name.partition("::")[0] if schema else "aten"
    return ExportError(f"{space}.{aten_name(node)} in {where} {reason}; compute it outside the network{way}")
