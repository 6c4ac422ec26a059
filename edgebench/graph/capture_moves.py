"""Rules of the aten calls that move values about without computing: views, slices, joins, pads, picks."""

from __future__ import annotations

import math
from typing import Any, Final

from edgebench.graph.capture_call import Call, Result, Rule, as_operand, aten_name
from edgebench.graph.operators import Operator, Pair


def reshaped(call: Call) -> Result:
    """aten.view, reshape, flatten, unflatten, squeeze, unsqueeze and their like: the exported shape says it all."""
    return call.build.reshape(call.x, call.shape)


def permute(call: Call) -> Result:
    """aten.permute."""
    return call.build.transpose(call.x, call["dims"])


def transpose(call: Call) -> Result:
    """aten.transpose, swapaxes, t and mT: two axes, the last two where none are named."""
    axes = [value for name, value in call.arguments.items() if name != "self"] or [-2, -1]
    return call.build.swap(call.x, *axes) if len(call.shape) > 1 else call.x


def movedim(call: Call) -> Result:
    """aten.movedim."""
    rank = len(call.shape)
    source, target = ([axis % rank for axis in _list(call[name])] for name in ("source", "destination"))
    rest = iter(axis for axis in range(rank) if axis not in source)
    places = dict(zip(target, source, strict=True))
    return call.build.transpose(call.x, [places[axis] if axis in places else next(rest) for axis in range(rank)])


def slice_part(call: Call) -> Result:
    """aten.slice."""
    return call.build.slice(call.x, call["dim"], call["start"], call["end"], call["step"])


def narrow(call: Call) -> Result:
    """aten.narrow."""
    return call.build.slice(call.x, call["dim"], call["start"], call["start"] + call["length"])


def select(call: Call) -> Result:
    """aten.select: one position of an axis, which is dropped."""
    axis = call["dim"] % len(call.x.shape)
    index = call["index"] % call.x.shape[axis]
    return call.build.reshape(call.build.slice(call.x, axis, index, index + 1), call.shape)


def split(call: Call) -> Result:
    """aten.split, chunk, tensor_split and their like: the exported shapes say where."""
    standard = {"hsplit": min(1, len(call.x.shape) - 1), "dsplit": 2}
    axis = call.get("dim", standard.get(aten_name(call.node), 0))
    return call.build.split(call.x, axis, [part.shape[axis] for part in call.node.meta["val"]])


def unbind(call: Call) -> Result:
    """aten.unbind."""
    parts = call.build.split(call.x, call["dim"], [1] * call.x.shape[call["dim"]])
    return [call.build.reshape(part, call.shape) for part in parts]


def cat(call: Call) -> Result:
    """aten.cat."""
    return call.build.concat([as_operand(part) for part in call["tensors"]], call["dim"])


def stack(call: Call) -> Result:
    """aten.stack."""
    axis = call["dim"] % len(call.shape)
    parts = [as_operand(part) for part in call["tensors"]]
    apart = [call.build.reshape(part, (*part.shape[:axis], 1, *part.shape[axis:])) for part in parts]
    return call.build.concat(apart, axis)


def roll(call: Call) -> Result:
    """aten.roll; without axes, of the flattened tensor."""
    x, shifts = call.x, _list(call["shifts"])
    if not call["dims"]:
        x = call.build.reshape(x, (math.prod(x.shape),))
    for shift, axis in zip(shifts, call["dims"] or [0], strict=True):
        cut = -shift % x.shape[axis]
        x = call.build.concat([call.build.slice(x, axis, cut, None), call.build.slice(x, axis, 0, cut)], axis)
    return call.build.reshape(x, call.shape)


def flip(call: Call) -> Result:
    """aten.flip."""
    x = call.x
    for axis in call["dims"]:
        x = call.build.gather(x, axis, range(x.shape[axis])[::-1])
    return x


def unfold(call: Call) -> Result:
    """aten.unfold: windows along one axis, which become a last axis."""
    axis, size, step = call["dimension"] % len(call.x.shape), call["size"], call["step"]
    windows = [call.build.slice(call.x, axis, step * at, step * at + size) for at in range(call.shape[axis])]
    joined = call.build.concat(windows, axis)
    apart = call.build.reshape(joined, (*call.shape[: axis + 1], size, *call.x.shape[axis + 1 :]))
    return call.build.transpose(apart, [n for n in range(len(apart.shape)) if n != axis + 1] + [axis + 1])


def pad(call: Call) -> Result:
    """aten.pad in every mode, and the operators of one mode; torch lists the last axis first."""
    amounts, name = list(call.get("pad", call.get("padding"))), call.node.name
    pairs: list[Pair] = [(amounts[at], amounts[at + 1]) for at in range(len(amounts) - 2, -1, -2)]
    mode = call.get("mode", next((m for m in ("reflect", "replicat", "circular") if m in name), "constant"))
    mode = "replicate" if mode == "replicat" else mode
    untouched: list[Pair] = [(0, 0)] * (len(call.x.shape) - len(pairs))
    return call.build.pad(call.x, untouched + pairs, call.get("value") or 0.0, mode)


def expand(call: Call) -> Result:
    """aten.expand, expand_as and copy_ into a larger tensor."""
    x: Operator = call.operand("src") if "src" in call.arguments else call.x
    return call.build.expand(x, call.shape)


def repeat(call: Call) -> Result:
    """aten.repeat and tile."""
    times = list(call.get("repeats", call.get("dims")))
    x = call.build.ranked(call.x, len(times))
    times = [1] * (len(x.shape) - len(times)) + times
    for axis, count in enumerate(times):
        if count > 1 and x.shape[axis] > 1:
            x = call.build.concat([x] * count, axis)
    return call.build.expand(x, call.shape)


def repeat_interleave(call: Call) -> Result:
    """aten.repeat_interleave by one number."""
    count, x = call["repeats"], call.x
    if not isinstance(count, int):
        raise call.refuse("repeats elements by different numbers of times")
    axis = 0 if call["dim"] is None else call["dim"] % len(x.shape)
    x = call.build.reshape(x, (math.prod(x.shape),)) if call["dim"] is None else x
    apart = call.build.reshape(x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
    wide = call.build.expand(apart, (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return call.build.reshape(wide, call.shape)


def channel_shuffle(call: Call) -> Result:
    """aten.channel_shuffle."""
    batch, channels, *size = call.x.shape
    groups = call["groups"]
    apart = call.build.reshape(call.x, (batch, groups, channels // groups, *size))
    return call.build.reshape(call.build.swap(apart, 1, 2), call.shape)


def _list(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


_RESHAPES: Final = (
    "view",
    "reshape",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "view_as",
    "reshape_as",
    "_unsafe_view",
)

_SPLITS: Final = (
    "chunk",
    "dsplit",
    "hsplit",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unsafe_chunk",
    "unsafe_split",
    "vsplit",
)

MOVES: Final[dict[str, Rule]] = {
    **dict.fromkeys(_RESHAPES, reshaped),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "t", "mT", "numpy_T"), transpose),
    **dict.fromkeys(_SPLITS, split),
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    **dict.fromkeys(("repeat", "tile"), repeat),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "copy"), expand),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    **{f"{mode}_pad{n}d": pad for mode in ("reflection", "replication") for n in (1, 2, 3)},
    "channel_shuffle": channel_shuffle,
    "flip": flip,
    "movedim": movedim,
    "narrow": narrow,
    "permute": permute,
    "repeat_interleave": repeat_interleave,
    "roll": roll,
    "select": select,
    "slice": slice_part,
    "stack": stack,
    "unbind": unbind,
    "unfold": unfold,
}
