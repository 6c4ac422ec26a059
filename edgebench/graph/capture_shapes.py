"""Converters of the aten calls that move or reshape values without computing: flatten, cat, pad, slice, expand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

from torch import fx

from edgebench.graph.capture_call import Call, Converter, aten_name
from edgebench.graph.operators import Concat, GlobalPool, Operator, Pad, Padding, Pair, Reshape, Subsample


def reshape(call: Call) -> Operator:
    """aten.flatten, view, reshape, squeeze and unsqueeze between (1, C, H, W), (1, CHW) and (1, C, 1, 1)."""
    source = call.operand()
    before, after = source.shape, call.shape
    if before == after:
        return source
    if len(after) < 2 or after[0] != before[0]:
        raise call.refuse(f"reshapes {before} to {after}, which loses the batch; use flatten(1)")
    flattens = len(before) == 4 and len(after) == 2
    if not flattens and not (len(before) == 2 and after[2:] == (1, 1)):
        raise call.refuse(f"reshapes {before} to {after}; edgebench covers flattening (1, C, H, W) to (1, CHW)")
    if isinstance(source, GlobalPool) and flattens and call.read_only_here():
        return replace(source, shape=after)
    return Reshape(**call.place)


def cat(call: Call) -> Operator:
    """aten.cat along the channels."""
    nodes = cast(list[fx.Node], call.arguments["tensors"])
    if call.arguments["dim"] % len(call.shape) != 1:
        raise call.refuse(f"concatenates along axis {call.arguments['dim']}; edgebench covers channels (axis 1)")
    if not all(node in call.operators for node in nodes):
        raise call.refuse("concatenates constants, which is not among edgebench's operators")
    return Concat(**call.reading(*(call.operators[node] for node in nodes)))


def pad(call: Call) -> Operator:
    """aten.pad with zeros, around height and width or of channels; torch lists the last axis first."""
    amounts = [int(amount) for amount in call.arguments["pad"]]
    if call.arguments.get("mode", "constant") != "constant" or call.arguments.get("value") not in (None, 0):
        raise call.refuse("pads with something other than zeros, which is not among edgebench's operators")
    if len(call.shape) != 4 or len(amounts) > 6 or min(amounts) < 0:
        raise call.refuse(f"pads {call.operand().shape} by {amounts}; edgebench covers adding rows, columns, channels")
    left, right, top, bottom, first, last = amounts + [0] * (6 - len(amounts))
    if not any(amounts):
        return call.operand()
    padding: Padding = (top, bottom, left, right)
    return Pad(**call.place, padding=padding, channels=(first, last))


def slice_rows(call: Call) -> Operator:
    """aten.slice where it takes everything, or every n-th row or column, as a parameter-free shortcut does."""
    source = call.operand()
    axis, step = call.arguments["dim"] % len(source.shape), call.arguments["step"]
    start, end = call.arguments["start"] or 0, call.arguments["end"]
    if start == 0 and (end is None or end >= source.shape[axis]):
        if step == 1:
            return source
        if len(source.shape) == 4 and axis >= 2:
            return _subsample(call, source, (step, 1) if axis == 2 else (1, step))
    raise call.refuse("takes a part of a tensor; edgebench covers every n-th row and column (x[:, :, ::2, ::2])")


def expand(call: Call) -> Operator:
    """aten.expand of a factor or addend, which the operator that reads it broadcasts anyway."""
    if any(aten_name(user) not in ("add", "mul") for user in call.node.users):
        raise call.refuse("repeats a tensor for something other than adding or multiplying; rely on broadcasting")
    return call.operand()


def cast_to_float32(call: Call) -> Operator:
    """aten.to and type_as: every covered tensor is float32 already, and a call that makes another type is refused."""
    return call.operand()


def _subsample(call: Call, source: Operator, stride: Pair) -> Operator:
    """Two slices, one an axis, become one operator."""
    if isinstance(source, Subsample) and call.read_only_here():
        both = (source.stride[0] * stride[0], source.stride[1] * stride[1])
        return replace(source, shape=call.shape, stride=both)
    return Subsample(**call.place, stride=stride)


SHAPES: Final[dict[str, Converter]] = {
    "cat": cat,
    "constant_pad_nd": pad,
    "expand": expand,
    "expand_as": expand,
    "flatten": reshape,
    "pad": pad,
    "reshape": reshape,
    "slice": slice_rows,
    "squeeze": reshape,
    "to": cast_to_float32,
    "type_as": cast_to_float32,
    "unsqueeze": reshape,
    "view": reshape,
}
