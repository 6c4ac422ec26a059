"""Steps that XNNPACK has not, as calls of ExecuTorch's portable kernels, by the names and arguments of torch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edgebench.formats.executorch.source import Source, Step
from edgebench.formats.executorch.xnnpack import slices
from edgebench.ground.errors import ExportError


@dataclass(frozen=True)
class Ref:
    """A tensor among a call's arguments."""

    tensor: int


@dataclass(frozen=True)
class Call:
    """One call: `arguments` in the kernel's order, the `made` tensors among them and once more at the end."""

    kernel: str  # with its overload: aten::add.out
    arguments: tuple[Any, ...]
    made: tuple[int, ...]


@dataclass
class Calls:
    """The calls of one step as they are added."""

    source: Source
    found: list[Call] = field(default_factory=list)

    def add(self, kernel: str, *arguments: Any, made: int) -> int:
        """Adds a call that makes one tensor, its last argument."""
        self.found.append(Call(f"aten::{kernel}", (*arguments, Ref(made)), (made,)))
        return made

    def temporary(self, shape: tuple[int, ...], dtype: str) -> int:
        """A tensor between two calls."""
        return self.source.added("", shape, dtype)


def calls(source: Source, step: Step) -> list[Call]:
    """What computes a step. Raises ExportError for one that ExecuTorch has not."""
    if step.kind not in EMITTERS:
        name = source.tensors[step.outputs[0]].name
        raise ExportError(f"'{name}': ExecuTorch's writer has no {step.kind}")
    made = Calls(source)
    EMITTERS[step.kind](made, step)
    return made.found


def _plain(kernel: str, *further: Any) -> Callable[[Calls, Step], None]:
    """A kernel of the step's inputs and constants behind them."""

    def add(made: Calls, step: Step) -> None:
        made.add(kernel, *map(Ref, step.inputs), *further, made=step.outputs[0])

    return add


def _reduction(kernel: str, *further: Any) -> Callable[[Calls, Step], None]:
    def add(made: Calls, step: Step) -> None:
        axes = made.source.constant(step.inputs[1]).reshape(-1).tolist()
        made.add(kernel, Ref(step.inputs[0]), axes, bool(step.options.keepDims), *further, made=step.outputs[0])

    return add


def _argmax(made: Calls, step: Step) -> None:
    axis = int(made.source.constant(step.inputs[1]).item())
    whole = made.temporary(made.source.tensors[step.outputs[0]].shape, "int64")
    made.add("argmax.out", Ref(step.inputs[0]), axis, False, made=whole)
    _cast(made, whole, step.outputs[0])


def _cast(made: Calls, given: int, wanted: int) -> None:
    made.add("_to_copy.out", Ref(given), False, None, made=wanted)


def _gather(made: Calls, step: Step) -> None:
    x, indices = step.inputs
    known, axis = made.source.tensors[indices], step.options.axis
    if len(known.shape) == 1:
        made.add("index_select.out", Ref(x), axis, Ref(indices), made=step.outputs[0])
        return
    shape = made.source.tensors[x].shape
    count = int(np.prod(known.shape))
    flat = made.temporary((count,), known.dtype)
    made.add("view_copy.out", Ref(indices), [count], made=flat)
    rows = made.temporary((*shape[:axis], count, *shape[axis + 1 :]), made.source.tensors[x].dtype)
    made.add("index_select.out", Ref(x), axis, Ref(flat), made=rows)
    _shaped(made, rows, step.outputs[0])


def _shaped(made: Calls, given: int, wanted: int) -> None:
    made.add("view_copy.out", Ref(given), list(made.source.tensors[wanted].shape), made=wanted)


def _strided(made: Calls, step: Step) -> None:
    x, shape = step.inputs[0], list(made.source.tensors[step.inputs[0]].shape)
    cuts = [(axis, cut) for axis, cut in enumerate(slices(made.source, step)) if cut != (0, shape[axis], 1)]
    for number, (axis, (start, size, stride)) in enumerate(cuts or [(0, (0, shape[0], 1))], 1):
        shape[axis] = size
        last = number >= len(cuts)
        target = step.outputs[0] if last else made.temporary(tuple(shape), made.source.tensors[x].dtype)
        x = made.add("slice_copy.Tensor_out", Ref(x), axis, start, start + (size - 1) * stride + 1, stride, made=target)


def _top(made: Calls, step: Step) -> None:
    (x, count), (values, indices) = step.inputs, step.outputs
    whole = made.temporary(made.source.tensors[indices].shape, "int64")
    number = int(made.source.constant(count).item())
    made.found.append(
        Call("aten::topk.values", (Ref(x), number, -1, True, True, Ref(values), Ref(whole)), (values, whole))
    )
    _cast(made, whole, indices)


def _joined(made: Calls, step: Step) -> None:
    made.add("cat.out", list(map(Ref, step.inputs)), step.options.axis, made=step.outputs[0])


def _permuted(made: Calls, step: Step) -> None:
    order = made.source.constant(step.inputs[1]).reshape(-1).tolist()
    made.add("permute_copy.out", Ref(step.inputs[0]), order, made=step.outputs[0])


def _padded(made: Calls, step: Step) -> None:
    amounts = made.source.constant(step.inputs[1]).reshape(-1, 2)[::-1].reshape(-1).tolist()
    value = made.source.constant(step.inputs[2]).item() if len(step.inputs) > 2 else 0
    made.add("constant_pad_nd.out", Ref(step.inputs[0]), amounts, value, made=step.outputs[0])


# XNNPACK has these too, but of no tensor without axes.
UNARY: Final = ("ABS", "CEIL", "COS", "EXP", "FLOOR", "LOG", "NEG", "ROUND", "RSQRT", "SIGN", "SIN", "SQRT", "TANH")
EMITTERS: Final[dict[str, Callable[[Calls, Step], None]]] = {
    **{kind: _plain(f"{kind.lower()}.out") for kind in UNARY},
    "ADD": _plain("add.out", 1),
    "ARG_MAX": _argmax,
    "CAST": lambda made, step: _cast(made, step.inputs[0], step.outputs[0]),
    "CONCATENATION": _joined,
    "DIV": _plain("div.out"),
    "EQUAL": _plain("eq.Tensor_out"),
    "GATHER": _gather,
    "GELU": _plain("gelu.out", "tanh"),
    "GREATER": _plain("gt.Tensor_out"),
    "GREATER_EQUAL": _plain("ge.Tensor_out"),
    "LESS": _plain("lt.Tensor_out"),
    "LESS_EQUAL": _plain("le.Tensor_out"),
    "LOGICAL_AND": _plain("logical_and.out"),
    "LOGICAL_NOT": _plain("logical_not.out"),
    "LOGICAL_OR": _plain("logical_or.out"),
    "MAXIMUM": _plain("maximum.out"),
    "MEAN": _reduction("mean.out", None),
    "MINIMUM": _plain("minimum.out"),
    "MUL": _plain("mul.out"),
    "NOT_EQUAL": _plain("ne.Tensor_out"),
    "PAD": _padded,
    "PADV2": _padded,
    "POW": _plain("pow.Tensor_Tensor_out"),
    "REDUCE_MAX": _reduction("amax.out"),
    "REDUCE_MIN": _reduction("amin.out"),
    "RESHAPE": lambda made, step: _shaped(made, step.inputs[0], step.outputs[0]),
    "SELECT_V2": _plain("where.self_out"),
    "STRIDED_SLICE": _strided,
    "SUB": _plain("sub.out", 1),
    "SUM": _reduction("sum.IntList_out", None),
    "TOPK_V2": _top,
    "TRANSPOSE": _permuted,
}
