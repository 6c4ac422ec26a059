"""A graph that is being rewritten: operators by name, who reads them, and what replaces what."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, cast

import numpy as np

from edgebench.graph.builder import Builder
from edgebench.graph.operators import AnyArray, Array, Graph, Input, Operator, Shape

Rule = Callable[["Rewriter", Any], Operator | None]


class Rewriter(Builder):
    """Builds operators into a graph and takes others out; what nobody reads any more goes.

    A rule gives the operator that is to be read in place of the one it looks at: a new one, which takes over its name
    and its place in the order, one that is there already, or the same under changed attributes (`update`).
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.outputs = list(graph.outputs)
        self.counts: Counter[str] = Counter(graph.rewrites)
        self.readers: dict[str, dict[str, None]] = {}
        self._places: dict[str, int] = {}
        self._place = 0
        self.constants.update(graph.constants)
        self._known.update({id(array): (array, name) for name, array in graph.constants.items()})
        for self._place, operator in enumerate(graph.operators):
            self.register(operator)
        for operator in reversed(graph.operators):
            if operator.name in self.operators:
                self._drop_if_unread(operator)

    # ---- what rules ask ----

    def source(self, operator: Operator, at: int = 0) -> Operator | None:
        """The operator that one of `operator`'s inputs comes from; None for a constant, or for no such input."""
        return self.operators.get(operator.inputs[at]) if at < len(operator.inputs) else None

    def constant(self, operator: Operator, at: int = 1) -> AnyArray | None:
        """The constant that one of `operator`'s inputs names; None if it is computed, or if there is no such input."""
        return self.constants.get(operator.inputs[at]) if at < len(operator.inputs) else None

    def operands(self, operator: Operator) -> list[Operator | AnyArray]:
        """The inputs of `operator`, as the builder takes them."""
        return [self.operators.get(name, self.constants.get(name)) for name in operator.inputs]  # type: ignore[misc]

    def shape_of(self, name: str) -> Shape:
        """The shape of an operator's output or of a constant."""
        return (self.operators.get(name) or self.constants[name]).shape

    def readers_of(self, operator: Operator) -> list[Operator]:
        """The operators that read `operator`."""
        return [self.operators[name] for name in self.readers[operator.name]]

    def is_output(self, operator: Operator) -> bool:
        """Whether the network returns it."""
        return operator.name in self.outputs

    def is_single(self, operator: Operator) -> bool:
        """Whether one operator reads it and the network does not return it, so that it may be changed for that one."""
        return len(self.readers[operator.name]) == 1 and not self.is_output(operator)

    # ---- what rules do ----

    def apply_rule(self, rule: Rule, operator: Operator) -> bool:
        """Looks at `operator` with `rule`; returns whether something changed."""
        self.begin(operator.name, operator.module)
        self._place = self._places[operator.name]
        made = rule(self, operator)
        if made is None:
            return False
        self.counts[rule.__name__] += 1
        self.put(operator, made)
        return True

    def put(self, old: Operator, new: Operator) -> None:
        """Lets whoever reads `old` read `new`."""
        if new.name == old.name:
            return
        if len(self.operators) > self._before and next(reversed(self.operators)) == new.name and self._is_new(new):
            self._take(new)
            self._forget(old)
            self.register(replace(new, name=old.name))
            self._release(old)
            return
        for reader in self.readers_of(old):
            inputs = tuple(new.name if name == old.name else name for name in reader.inputs)
            self.update(reader, inputs=inputs)
        self.outputs = [new.name if name == old.name else name for name in self.outputs]
        if old.name in self.operators:
            self._drop_if_unread(self.operators[old.name])

    def update(self, operator: Operator, **fields: Any) -> Operator:
        """Changes attributes of an operator, its inputs included; it keeps its name and its place."""
        changed = replace(operator, **fields)
        self.operators[operator.name] = changed
        if changed.inputs != operator.inputs:
            for name in operator.inputs:
                self.readers[name].pop(operator.name, None)
            for name in changed.inputs:
                self.readers.setdefault(name, {})[operator.name] = None
            self._release(operator, set(changed.inputs))
        return changed

    def register(self, operator: Operator) -> None:
        """Adds an operator as it is, where the one that is looked at stands."""
        super().register(operator)
        self.readers.setdefault(operator.name, {})
        self._places[operator.name] = self._place
        for name in operator.inputs:
            self.readers.setdefault(name, {})[operator.name] = None

    def graph(self) -> Graph:
        """Returns the Graph, its operators in the order of execution that is nearest to the one before."""
        waiting = {name: len(self._computed_inputs(operator)) for name, operator in self.operators.items()}
        numbers = {name: number for number, name in enumerate(self.operators)}
        ready = [(self._places[name], numbers[name], name) for name, count in waiting.items() if not count]
        heapq.heapify(ready)
        ordered: list[Operator] = []
        while ready:
            name = heapq.heappop(ready)[2]
            ordered.append(self.operators[name])
            for reader in self.readers[name]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, (self._places[reader], numbers[reader], reader))
        read = {name for operator in ordered for name in operator.inputs} | set(self.outputs)
        constants = {name: narrow(array) for name, array in self.constants.items() if name in read}
        return Graph(tuple(map(_narrowed, ordered)), tuple(self.outputs), constants, dict(self.counts))

    # ---- bookkeeping ----

    def _is_new(self, operator: Operator) -> bool:
        return not self.readers[operator.name]

    def _computed_inputs(self, operator: Operator) -> set[str]:
        return {name for name in operator.inputs if name in self.operators}

    def _take(self, operator: Operator) -> None:
        """Removes an operator that nobody reads, without letting go of what it reads."""
        del self.operators[operator.name], self.readers[operator.name], self._places[operator.name]
        for name in operator.inputs:
            self.readers[name].pop(operator.name, None)

    def _forget(self, operator: Operator) -> None:
        """Removes an operator whose readers stay, for another one under its name."""
        self.operators.pop(operator.name)
        for name in operator.inputs:
            self.readers[name].pop(operator.name, None)

    def _release(self, operator: Operator, kept: Collection[str] = ()) -> None:
        """Drops what only `operator` read."""
        for name in operator.inputs:
            if name not in kept and name in self.operators:
                self._drop_if_unread(self.operators[name])

    def _drop_if_unread(self, operator: Operator) -> None:
        if self.readers[operator.name] or self.is_output(operator) or isinstance(operator, Input):
            return
        self._take(operator)
        self._release(operator)


def wide(array: Array) -> Array:
    """Returns `array` in float64, in which rewrites compute."""
    return cast(Array, array.astype(np.float64))


def narrow(array: AnyArray) -> AnyArray:
    """Returns `array` in the Graph's dtype; without a copy where it has it already."""
    return array.astype({"f": np.float32, "b": np.bool_}.get(array.dtype.kind, np.int32), copy=False)


def _narrowed(operator: Operator) -> Operator:
    """The operator with its weights in float32, in torch's memory where no rewrite touched them."""
    arrays = {name: getattr(operator, name, None) for name in ("weight", "bias")}
    changed: dict[str, Any] = {
        name: narrow(array) for name, array in arrays.items() if array is not None and array.dtype != np.float32
    }
    return replace(operator, **changed) if changed else operator
