"""Layout: one order of axes in memory for every tensor, so that as few bytes as possible are transposed.

A layout is a permutation: axis i in memory holds axis layout[i] of torch's shape, so (0, 2, 3, 1) is channels last. Two
functions say what an operator means for layouts: `needed`, those that its inputs may have for its output to come out
in a given one, and `given`, those in which its output comes for nothing when an input has one. Each tensor first
collects votes from its readers, backwards; then takes the layout with the least to transpose, forwards; then regions
change together where that saves bytes. Axes of size 1 never count: moving them is a change of shape.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from edgebench.graph.batch import IMAGE_OPERATORS
from edgebench.graph.operators import (
    ArgMax,
    Dense,
    GlobalPool,
    Graph,
    MatMul,
    Operator,
    Pick,
    PReLU,
    Reshape,
    Shape,
    Softmax,
    Subsample,
    TopK,
    Transpose,
)

Layout = tuple[int, ...]

NHWC: Final[Layout] = (0, 2, 3, 1)
# What kernels know in one layout only; means and every n-th pixel come in any.
LAST_CHANNELS: Final = tuple(kind for kind in IMAGE_OPERATORS if kind not in (GlobalPool, Subsample))
ITEM: Final = 4  # bytes of an element
REGIONS: Final = (0, 1, 4, 40)  # how far a change may spread
ROUNDS: Final = 3  # of refinement
REMEMBERED: Final = 4096  # shapes: a network has few, and the search asks for them again and again


def home(shape: Shape) -> Layout:
    """The layout that inputs and outputs have: channels last for images, torch's for all else."""
    return NHWC if len(shape) == 4 else tuple(range(len(shape)))


def permuted(shape: Shape, layout: Layout) -> Shape:
    """The shape in memory."""
    return tuple(shape[axis] for axis in layout)


@lru_cache(REMEMBERED)
def order(shape: Shape, layout: Layout) -> Layout:
    """The axes that count, in the order in which they lie in memory: equal for layouts with the same bytes."""
    return tuple(axis for axis in layout if shape[axis] != 1)


@lru_cache(REMEMBERED)
def blocks(source: Shape, target: Shape) -> list[tuple[list[int], list[int]]]:
    """Pairs of axes of `source` and of `target`, those of size 1 left out, that a reshape maps onto each other."""
    left, right = ([axis for axis, size in enumerate(shape) if size != 1] for shape in (source, target))
    found = []
    while left or right:
        one, other = [left.pop(0)], [right.pop(0)]
        before, after = source[one[0]], target[other[0]]
        while before != after:
            if abs(before) < abs(after):
                one.append(left.pop(0))
                before *= source[one[-1]]
            else:
                other.append(right.pop(0))
                after *= target[other[-1]]
        found.append((one, other))
    return found


def through(source: Shape, layout: Layout, target: Shape, hints: Iterable[Layout] = ()) -> Layout | None:
    """The layout of `target` when a `source` in `layout` is reshaped to it without moving data, or None.

    Nothing moves where the axes that are merged or split lie together and in order. `hints` are preferred among
    layouts with the same bytes.
    """
    pairs = blocks(source, target)
    block_of = {axis: pair for pair in pairs for axis in pair[0]}
    lying, found, at = order(source, layout), [], 0
    while at < len(lying):
        own, others = block_of[lying[at]]
        if list(lying[at : at + len(own)]) != own:
            return None
        found += others
        at += len(own)
    return _completed(target, found, hints)


def nearest(source: Shape, layout: Layout, target: Shape, hints: Iterable[Layout] = ()) -> Layout:
    """The layout of `target` in which blocks of axes lie where the last of each block's axes lay in `source`."""
    last: dict[int, list[int]] = {}
    pairs = blocks(source, target)
    block_of = {axis: number for number, pair in enumerate(pairs) for axis in pair[0]}
    for axis in order(source, layout):
        last.pop(block_of[axis], None)
        last[block_of[axis]] = pairs[block_of[axis]][1]
    return _completed(target, [axis for axes in last.values() for axis in axes], hints)


def _completed(shape: Shape, counting: Sequence[int], hints: Iterable[Layout]) -> Layout:
    """A whole layout whose axes that count come in this order: a hint, torch's or channels last where one fits."""
    wanted, plain = tuple(counting), tuple(range(len(shape)))
    for layout in (*hints, plain, home(shape)):
        if order(shape, layout) == wanted:
            return layout
    return (*(axis for axis in plain if shape[axis] == 1), *wanted)


def _with_last(layout: Layout, axis: int) -> Layout:
    return (*(other for other in layout if other != axis), axis)


def _last_axis(operator: Operator) -> int | None:
    """The axis that an operator's kernels want last in memory."""
    if isinstance(operator, Dense):
        return len(operator.shape) - 1
    if isinstance(operator, PReLU):
        return 1
    return operator.axis if isinstance(operator, Softmax | TopK) else None


def _dropped(operator: Operator, rank: int) -> tuple[int, ...]:
    """The axes of the input that the output no longer has."""
    if isinstance(operator, ArgMax) and not operator.keep:
        return (operator.axis,)
    return (2, 3) if isinstance(operator, GlobalPool) and len(operator.shape) == 2 else ()


@dataclass
class Layouts:
    """A layout for each operator's output, by name, and what the readers of each would like (`votes`)."""

    graph: Graph
    shapes: Mapping[str, Shape]
    chosen: dict[str, Layout] = field(default_factory=dict)
    votes: defaultdict[str, dict[Layout, float]] = field(default_factory=lambda: defaultdict(dict))
    readers: defaultdict[str, list[Operator]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for operator in self.graph.operators:
            for name in self.flowing(operator):
                if operator not in self.readers[name]:
                    self.readers[name].append(operator)

    def flowing(self, operator: Operator) -> tuple[str, ...]:
        """The inputs that are computed; constants come in any layout."""
        return tuple(name for name in operator.inputs if name in self.shapes)

    def order(self, name: str, layout: Layout | None = None) -> Layout:
        """The order in memory of the axes that count, in `layout` or in the chosen one."""
        return order(self.shapes[name], self.chosen[name] if layout is None else layout)

    def size(self, name: str) -> int:
        """Elements of a tensor, for one image."""
        return abs(math.prod(self.shapes[name]))

    # ---- what operators mean ----

    def needed(self, operator: Operator, layout: Layout) -> list[list[Layout]] | None:
        """For each input, the layouts it may have for the output to come out in `layout`; None: it never does."""
        shape = self.shapes[operator.name]
        dropped = _dropped(operator, len(shape))
        if dropped:
            return [self._with_dropped(layout, dropped)]
        if isinstance(operator, LAST_CHANNELS):
            return [[NHWC]] if layout == NHWC else None
        if isinstance(operator, Transpose):
            return [[tuple(operator.permutation[axis] for axis in layout)]]
        if isinstance(operator, Reshape):
            (source,) = operator.inputs
            found = through(shape, layout, self.shapes[source], self.votes[source])
            return None if found is None else [[found]]
        if isinstance(operator, MatMul):
            return _product(layout)
        if isinstance(operator, Pick):
            return [[layout], [(0,)]]
        last = _last_axis(operator)
        if last is not None and layout[-1] != last:
            return None
        return [[layout]] * len(operator.inputs)

    def given(self, operator: Operator, layout: Layout) -> list[Layout]:
        """The layouts in which the output comes for nothing, or nearly, when an input has `layout`."""
        rank = len(self.shapes[operator.name])
        dropped = _dropped(operator, rank)
        if dropped:
            return [tuple(axis - sum(gone < axis for gone in dropped) for axis in layout if axis not in dropped)]
        if isinstance(operator, LAST_CHANNELS):
            return [NHWC]
        if isinstance(operator, Transpose):
            return [tuple(operator.permutation.index(axis) for axis in layout)]
        if isinstance(operator, Reshape):
            (source,) = operator.inputs
            hints = self.votes[operator.name]
            return [nearest(self.shapes[source], layout, self.shapes[operator.name], hints)]
        if isinstance(operator, MatMul):
            batch = tuple(axis for axis in layout if axis < rank - 2)
            return [(*batch, rank - 2, rank - 1), (*batch, rank - 1, rank - 2)]
        if isinstance(operator, Pick) and len(layout) != rank:  # that of the indices
            return [tuple(range(rank))]
        last = _last_axis(operator)
        return [layout if last is None else _with_last(layout, last)]

    def _with_dropped(self, layout: Layout, dropped: tuple[int, ...]) -> list[Layout]:
        """The layouts of an input that leave `layout` when the axes `dropped` are gone: these together, anywhere."""
        kept = [axis for axis in range(len(layout) + len(dropped)) if axis not in dropped]
        named = tuple(kept[axis] for axis in layout)
        return [(*named[:at], *dropped, *named[at:]) for at in range(len(named) + 1)]

    # ---- the search ----

    def search(self) -> None:
        """Chooses a layout for every tensor."""
        for source in self.graph.inputs:
            self.chosen[source.name] = home(self.shapes[source.name])
        self._vote()
        for operator in self.graph.computed:
            candidates = self._candidates(operator)
            self.chosen[operator.name] = min(candidates, key=lambda layout: self._price(operator, layout))
        for _ in range(ROUNDS):
            if not self._refined():
                return

    def _vote(self) -> None:
        for name in self.graph.outputs:
            if name in self.shapes:
                self._add_vote(name, home(self.shapes[name]), self.size(name))
        for operator in reversed(self.graph.computed):
            for layout, weight in self._wanted(operator):
                needed = self.needed(operator, layout)
                if needed is None and isinstance(operator, Dense):
                    layout, weight = _with_last(layout, len(layout) - 1), min(weight, self.size(operator.name))
                    needed = self.needed(operator, layout)
                for name, alternatives in zip(operator.inputs, needed or [], strict=False):
                    for alternative in alternatives if name in self.shapes else ():
                        self._add_vote(name, alternative, min(weight, self.size(name)) / len(alternatives))

    def _add_vote(self, name: str, layout: Layout, weight: float) -> None:
        self.votes[name][layout] = self.votes[name].get(layout, 0) + weight

    def _wanted(self, operator: Operator) -> list[tuple[Layout, float]]:
        """The layouts that an operator passes votes on for: the best of its own, or the one that it must have."""
        shape, size = self.shapes[operator.name], self.size(operator.name)
        if isinstance(operator, LAST_CHANNELS):
            return [(home(shape), math.inf)]
        votes = sorted(self.votes[operator.name].items(), key=lambda vote: -vote[1])[:3]
        last = _last_axis(operator)
        if last is not None and not any(layout[-1] == last for layout, _ in votes):
            votes.append((_with_last(tuple(range(len(shape))), last), size))
        if isinstance(operator, MatMul) and not votes:
            votes.append((tuple(range(len(shape))), size))
        return votes

    def _candidates(self, operator: Operator) -> list[Layout]:
        found: dict[Layout, None] = {}
        for name in self.flowing(operator):
            found.update(dict.fromkeys(self.given(operator, self.chosen[name])))
        found.update(dict.fromkeys(self.votes[operator.name]))
        plain = tuple(range(len(self.shapes[operator.name])))
        return [layout for layout in found if self.needed(operator, layout) is not None] or [plain]

    def _price(self, operator: Operator, layout: Layout) -> float:
        """Elements to transpose before the operator, and behind it as far as votes tell."""
        name, votes = operator.name, self.votes[operator.name]
        needed = self.needed(operator, layout) or []
        now = sum(
            self.size(source)
            for source, alternatives in zip(operator.inputs, needed, strict=False)
            if source in self.shapes and not self._fits(source, self.chosen[source], alternatives)
        )
        own, size = self.order(name, layout), self.size(name)
        lost = sum(min(weight, size) for other, weight in votes.items() if self.order(name, other) != own)
        return now + 0.9 * lost / max(1, len(votes) / 2) + (0 if layout in votes else 1e-3)

    def _fits(self, name: str, layout: Layout, alternatives: Iterable[Layout]) -> bool:
        own = self.order(name, layout)
        return any(self.order(name, alternative) == own for alternative in alternatives)

    def copies(self, name: str) -> list[Layout]:
        """The layouts beside the chosen one that some reader, or the output, wants: one transposition each."""
        own = self.order(name)
        found: dict[Layout, Layout] = {}
        for reader in self.readers[name]:
            needed = self.needed(reader, self.chosen[reader.name]) or []
            for source, alternatives in zip(reader.inputs, needed, strict=False):
                if source == name:
                    orders = {self.order(name, layout): layout for layout in alternatives}
                    if own not in orders and not found.keys() & orders.keys():
                        found.update([next(iter(orders.items()))])
        wanted = home(self.shapes[name])
        if name in self.graph.outputs and self.order(name, wanted) != own:
            found[self.order(name, wanted)] = wanted
        return list(found.values())

    def cost(self, name: str) -> int:
        """Elements that are moved to make the copies of a tensor."""
        return self.size(name) * len(self.copies(name))

    def _refined(self) -> bool:
        """Changes one tensor's layout and lets the change spread, wherever that saves; whether it did anywhere."""
        better = False
        for operator in self.graph.computed:
            name = operator.name
            if isinstance(operator, LAST_CHANNELS) or not any(map(self.cost, (name, *self.flowing(operator)))):
                continue
            tried = {self.order(name)}
            for layout in self._options(operator):
                if self.order(name, layout) not in tried and self.needed(operator, layout) is not None:
                    tried.add(self.order(name, layout))
                    better |= any(self._changed(self._spread(operator, layout, steps)) for steps in REGIONS)
        return better

    def _options(self, operator: Operator) -> list[Layout]:
        found = self._candidates(operator)
        for reader in self.readers[operator.name]:
            needed = self.needed(reader, self.chosen[reader.name]) or []
            for name, alternatives in zip(reader.inputs, needed, strict=False):
                found += alternatives if name == operator.name else []
        return found

    def _changed(self, changes: Mapping[str, Layout]) -> bool:
        """Makes the changes if they leave less to move, and says so."""
        touched = {source for name in changes for source in self.flowing(self.graph[name])} | set(changes)
        before = sum(map(self.cost, touched))
        old = {name: self.chosen[name] for name in changes}
        self.chosen.update(changes)
        if sum(map(self.cost, touched)) < before:
            return True
        self.chosen.update(old)
        return False

    def _spread(self, operator: Operator, layout: Layout, steps: int) -> dict[str, Layout]:
        """The changes that follow when an operator's output takes `layout`, up to `steps` operators away."""
        changes, waiting = {operator.name: layout}, [(operator, steps)]
        while waiting:
            current, left = waiting.pop(0)
            if left:
                followed = [*self._makers(current, changes), *self._followers(current, changes)]
                waiting += [(other, left - 1) for other in followed]
        return changes

    def _makers(self, operator: Operator, changes: dict[str, Layout]) -> list[Operator]:
        found = []
        needed = self.needed(operator, changes[operator.name]) or []
        for name, alternatives in zip(operator.inputs, needed, strict=False):
            if name in self.shapes and name not in changes and not self._fits(name, self.chosen[name], alternatives):
                maker = self.graph[name]
                free = maker.inputs and not isinstance(maker, LAST_CHANNELS)
                if free and self.needed(maker, alternatives[0]) is not None:
                    changes[name] = alternatives[0]
                    found.append(maker)
        return found

    def _followers(self, operator: Operator, changes: dict[str, Layout]) -> list[Operator]:
        found, layout = [], changes[operator.name]
        for reader in self.readers[operator.name]:
            free = reader.name not in changes and not isinstance(reader, LAST_CHANNELS)
            if free and not self._reads(reader, self.chosen[reader.name], operator.name, layout):
                for candidate in self.given(reader, layout):
                    if self._reads(reader, candidate, operator.name, layout):
                        changes[reader.name] = candidate
                        found.append(reader)
                        break
        return found

    def _reads(self, reader: Operator, output: Layout, name: str, layout: Layout) -> bool:
        """Whether `reader`, giving `output`, takes the tensor `name` in `layout`."""
        needed = self.needed(reader, output) or []
        return any(
            source == name and self._fits(name, layout, alternatives)
            for source, alternatives in zip(reader.inputs, needed, strict=False)
        )

    # ---- what it costs ----

    @property
    def transposes(self) -> int:
        """How many tensors are transposed."""
        return sum(len(self.copies(name)) for name in self.shapes)

    @property
    def moved_bytes(self) -> int:
        """Bytes that transpositions move, for one image of float32."""
        return ITEM * sum(map(self.cost, self.shapes))


def _product(layout: Layout) -> list[list[Layout]] | None:
    """Batch axes first and the last two in either order: kernels take the second factor transposed, or both swapped."""
    row, column = len(layout) - 2, len(layout) - 1
    batch = layout[:-2]
    if {row, column} & set(batch):
        return None
    plain, swapped = (*batch, row, column), (*batch, column, row)
    return [[plain], [plain, swapped]] if layout == plain else [[plain, swapped], [swapped]]


def plan(graph: Graph, shapes: Mapping[str, Shape]) -> Layouts:
    """Returns the layouts of all tensors. `shapes` are the operators' own, perhaps with a negative batch axis."""
    layouts = Layouts(graph, shapes)
    layouts.search()
    return layouts
