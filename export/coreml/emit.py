"""What every emitter of MIL shares: the graph being written, and the variables of the program so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edgebench.formats.coreml.noise import NOISE
from edgebench.formats.quiet import quiet
from edgebench.graph.operators import AnyArray, Graph, Operator

with quiet(NOISE):
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types

Variable = Any  # of coremltools, which has no types
Range = tuple[int, int, int]  # start, stop, step
Emitter = Callable[["Emission", Any], Variable]
"""Adds what an operator becomes and returns the variable of its output."""

AXES: Final = 5  # of a tensor in CoreML
TYPES: Final = {"float32": "fp32", "int32": "int32", "bool": "bool"}
LARGEST: Final = float(np.finfo(np.float16).max)
SMALLEST: Final = float(np.finfo(np.float16).smallest_subnormal)


@dataclass
class Emission:
    """The walk over a graph while its operators are added to the function that is open in coremltools' builder.

    With `half`, floats are float16 but where an operator has a constant beyond its range.
    """

    graph: Graph
    half: bool
    variables: dict[str, Variable] = field(default_factory=dict)
    name: str = ""  # of the operator that is being emitted
    whole: bool = False  # whether that computes in float32 whatever `half` says
    _constants: dict[tuple[str, str], Variable] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _outputs: list[Variable] = field(default_factory=list)

    @property
    def number(self) -> str:
        """What the current operator computes in."""
        return "fp16" if self.half and not self.whole else "fp32"

    def get(self, name: str) -> Variable:
        """A tensor or constant of the graph, its floats in what the current operator computes in."""
        if name not in self.variables:
            key = (name, self.number)
            if key not in self._constants:
                value = self.array(self.graph.constants[name])
                self._constants[key] = mb.const(val=value, name=self.free(f"{name}_{self.number}"))
            return self._constants[key]
        found = self.variables[name]
        if types.is_float(found.dtype) and found.dtype != types.string_to_builtin(self.number):
            return self.add("cast", x=found, dtype=self.number)
        return found

    def begin(self, operator: Operator) -> None:
        """Says which operator is emitted next."""
        self.name, self.whole = operator.name, self.half and not self._fits(operator)

    def put(self, variable: Variable) -> None:
        """Makes `variable` known as the output of the current operator, after which it is named in the file."""
        self.variables[self.name] = variable
        if variable.op is not None and variable.name.startswith(f"{self.name}/"):
            variable.name = variable.op.name = self.free(self.name)

    def output(self, name: str, called: str) -> Variable:
        """The graph's tensor `name` as an output of the program, in float32 and of its own name there."""
        self.name, self.whole = called, True
        found = self.get(name)
        taken = found.name == called or found.op is None or found.op.op_type == "const" or found in self._outputs
        if not self.graph.shape(name) and found.shape:
            found = self.add("squeeze", x=found, axes=[0])
        elif not types.is_float(found.dtype):
            found = self.add("cast", x=found, dtype="fp32")
        elif taken:
            found = self.add("identity", x=found)
        found.name = found.op.name = self.free(called)
        self._outputs.append(found)
        return found

    def free(self, name: str) -> str:
        """An identifier like `name` that no variable has yet."""
        plain = re.sub(r"\W", "_", name)
        plain = plain if plain.isidentifier() else f"_{plain}"
        taken, count = plain, 2
        while taken in self._taken:
            taken, count = f"{plain}_{count}", count + 1
        self._taken.add(taken)
        return taken

    def add(self, kind: str, **arguments: Any) -> Any:
        """Adds an operator of MIL under its name there; what is None is left out."""
        given = {name: value for name, value in arguments.items() if value is not None}
        return getattr(mb, kind)(**given, name=f"{self.name}/{kind}")

    def array(self, values: AnyArray) -> AnyArray:
        """A constant in the type that it has in the file; what is not zero stays so."""
        if values.dtype.kind != "f" or self.number == "fp32":
            return values
        half = values.astype(np.float16)
        if values.size == 1 and values.item() and not half.item():
            half[...] = np.copysign(SMALLEST, values)
        return half

    def scalar(self, value: float) -> Any:
        """A number as a constant."""
        return self.array(np.array(value, np.float32))[()]

    def weight(self, operator: Any) -> AnyArray:
        """The weight of a layer. Raises ValueError for a sketched graph, which has none."""
        if operator.weight is None:
            raise ValueError(f"'{operator.name}' has no weights: a sketched graph cannot be written")
        return self.array(operator.weight)

    def bias(self, operator: Any) -> AnyArray | None:
        """The bias of a layer, where it has one."""
        return None if operator.bias is None else self.array(operator.bias)

    def operator(self, name: str) -> Operator | None:
        """The operator that computes a tensor; None for a constant."""
        return None if name in self.graph.constants else self.graph[name]

    def cut(self, x: Variable, ranges: Mapping[int, Range]) -> Variable:
        """x[start:stop:step] along some axes."""
        whole = [ranges.get(axis, (0, int(size), 1)) for axis, size in enumerate(x.shape)]
        begin, end, stride = (list(each) for each in zip(*whole, strict=True))
        return self.add("slice_by_index", x=x, begin=begin, end=end, stride=stride)

    def reshaped(self, x: Variable, shape: Sequence[int]) -> Variable:
        """x in another shape."""
        return x if tuple(x.shape) == tuple(shape) else self.add("reshape", x=x, shape=[int(size) for size in shape])

    def _fits(self, operator: Operator) -> bool:
        """Whether float16 holds all finite constants of an operator."""
        constants = [self.graph.constants[name] for name in operator.inputs if name in self.graph.constants]
        arrays = [getattr(operator, "weight", None), getattr(operator, "bias", None), *constants]
        return all(_largest(array) <= LARGEST for array in arrays if array is not None)


def _largest(array: AnyArray) -> float:
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array[:0]
    return float(np.abs(finite).max(initial=0.0))


def spread(amounts: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs (before, after) one behind the other."""
    return [size for pair in amounts for size in pair]
