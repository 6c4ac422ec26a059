"""A program of ExecuTorch's: what XNNPACK takes in as few delegates as can be, the rest as calls between them.

The tables are those of executorch/schema/program.fbs, whose slots are counted here. Delegates' data and constants lie
behind the flatbuffer, found by a header (exir/_serialize/_program.py).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np

from edgebench.formats.executorch.kernels import Call, Ref, calls
from edgebench.formats.executorch.source import Source, Step, Values
from edgebench.formats.executorch.xnnpack import payload, takes
from edgebench.formats.tables import Packed, written
from edgebench.graph.memory import aligned, place

IDENTIFIER: Final = b"ET12"
MAGIC: Final = b"eh00"
HEADER: Final = 32
ALIGNMENT: Final = 64  # of segments
METHOD: Final = "forward"
BACKEND: Final = "XnnpackBackend"
DTYPES: Final = {"uint8": 0, "int8": 1, "int32": 3, "int64": 4, "float16": 5, "float32": 6, "bool": 11}
# The kinds of values, as the union counts them, and those of instructions.
NULL, INT, BOOL, DOUBLE, TENSOR, STRING, INTS, TENSORS = 1, 2, 3, 4, 5, 6, 7, 10
KERNEL, DELEGATE = 1, 2
SEGMENT: Final = 1


@dataclass(frozen=True)
class Part:
    """Steps for one delegate, or a call of a kernel; what it reads of others and what others read of it."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    call: Call | None = None


def parts(source: Source) -> list[Part]:
    """The steps in the order of stages: XNNPACK's in even ones, a delegate each, calls in the odd ones between."""
    stages: dict[int, int] = {}  # of each tensor that is computed
    groups: dict[int, list[Step]] = {}
    for step in source.steps:
        own = max((stages.get(at, 0) for at in step.inputs), default=0)
        own += (own + (not takes(source, step))) % 2
        stages.update(dict.fromkeys(step.outputs, own))
        groups.setdefault(own, []).append(step)
    found: list[Part] = []
    for stage, steps in sorted(groups.items()):
        if stage % 2:
            found += [_called(source, call) for step in steps for call in calls(source, step)]
        else:
            found.append(_delegated(source, steps))
    return found


def _delegated(source: Source, steps: Sequence[Step]) -> Part:
    made = [at for step in steps for at in step.outputs]
    within = set(map(id, steps))
    needed = {at for step in source.steps if id(step) not in within for at in step.inputs} | set(source.outputs)
    given = dict.fromkeys(at for step in steps for at in step.inputs if at >= 0 and source.tensors[at].data is None)
    return Part(
        tuple(at for at in given if at not in set(made)), tuple(at for at in made if at in needed), tuple(steps)
    )


def _called(source: Source, call: Call) -> Part:
    given = (one for each in call.arguments for one in (each if isinstance(each, list) else [each]))
    tensors = dict.fromkeys(one.tensor for one in given if isinstance(one, Ref) and one.tensor not in call.made)
    return Part(tuple(at for at in tensors if source.tensors[at].data is None), call.made, call=call)


def program(source: Source, found: Sequence[Part]) -> bytes:
    """The file's bytes."""
    values = _Values(source, _places(source, found))
    delegates: list[Packed] = []
    payloads: list[bytes] = []
    instructions: list[Packed] = []
    inputs, outputs = (
        np.array([values.tensor(at) for at in side], np.int32) for side in (source.inputs, source.outputs)
    )
    kept: dict[str, bytes] = {}  # constants of delegates by their names, each once

    def keep(data: Values) -> str:
        content = np.ascontiguousarray(data).tobytes()
        name = sha256(content).hexdigest()
        kept[name] = content
        return name

    for part in found:
        if part.call is not None:
            instructions.append(values.call(part.call))
            continue
        arguments = np.array([values.tensor(at) for at in (*part.inputs, *part.outputs)], np.int32)
        instructions.append((np.uint8(DELEGATE), (np.int32(len(payloads)), arguments)))
        delegates.append((BACKEND, (np.int8(SEGMENT), np.uint32(len(payloads))), []))
        payloads.append(payload(source, part.steps, part.inputs, part.outputs, keep))
    constants = (np.uint32(len(payloads)), np.array([0, *values.starts], np.uint64))
    named = [(name, np.uint32(len(payloads) + number)) for number, name in enumerate(kept, 1)]
    places, data = _behind([*payloads, values.data, *kept.values()])
    plan = (
        METHOD,
        ("", ""),
        values.found,
        inputs,
        outputs,
        [(inputs, outputs, instructions, None)],
        [tuple((*name.split("."), "")[:2]) for name in values.kernels],
        delegates,
        np.array([0, values.arena], np.int64),
    )
    segments = [(np.uint64(at), np.uint64(size)) for at, size in places]
    return _headed(written((np.uint32(0), [plan], None, None, segments, constants, None, named), IDENTIFIER), data)


def _places(source: Source, found: Sequence[Part]) -> tuple[dict[int, int], int]:
    """Where each tensor that passes from part to part lies in memory, and how much that takes."""
    last = {at: number for number, part in enumerate(found) for at in (*part.inputs, *part.outputs)}
    first = {at: number for number, part in reversed([*enumerate(found)]) for at in (*part.inputs, *part.outputs)}
    first.update(dict.fromkeys(source.inputs, 0))
    last.update(dict.fromkeys((*source.inputs, *source.outputs), len(found)))
    tensors = sorted(first, key=lambda at: first[at])
    sizes = np.array([[aligned(source.tensors[at].size_bytes) for at in tensors]])
    starts = place(sizes, np.array([first[at] for at in tensors]), np.array([last[at] for at in tensors]))[0]
    return dict(zip(tensors, starts.tolist(), strict=True)), int((starts + sizes[0]).max())


class _Values:
    """The values of a program as they are asked for."""

    def __init__(self, source: Source, placed: tuple[dict[int, int], int]) -> None:
        self.found: list[Packed] = []
        self.kernels: list[str] = []
        self.constants: list[bytes] = []
        self.arena = placed[1]
        self._source, self._places = source, placed[0]
        self._tensors: dict[int, int] = {}

    @property
    def starts(self) -> list[int]:
        """Where each constant lies."""
        return [at for at, _ in _behind(self.constants)[0]]

    @property
    def data(self) -> bytes:
        """All constants, one behind the other."""
        return _behind(self.constants)[1]

    def tensor(self, number: int) -> int:
        """The place of a tensor among the values."""
        if number not in self._tensors:
            tensor = self._source.tensors[number]
            where: Any = None
            if tensor.data is not None:
                self.constants.append(np.ascontiguousarray(tensor.data).tobytes())
            else:
                offset = self._places[number]
                where = (np.uint32(1), np.uint32(offset & 0xFFFFFFFF), np.uint32(offset >> 32))
            self._tensors[number] = self._add(
                TENSOR,
                np.int8(DTYPES[tensor.dtype]),
                None,
                np.array(tensor.shape, np.int32),
                np.arange(len(tensor.shape), dtype=np.uint8),
                None,
                np.uint32(0 if tensor.data is None else len(self.constants)),
                where,
            )
        return self._tensors[number]

    def call(self, call: Call) -> Packed:
        """An instruction that calls a kernel; what it makes is named again, as its result."""
        if call.kernel not in self.kernels:
            self.kernels.append(call.kernel)
        results = list(map(Ref, call.made))
        given = [self._value(each) for each in (*call.arguments, results if len(results) > 1 else results[0])]
        return np.uint8(KERNEL), (np.int32(self.kernels.index(call.kernel)), np.array(given, np.int32))

    def _add(self, kind: int, *slots: Any) -> int:
        self.found.append((np.uint8(kind), slots))
        return len(self.found) - 1

    def _value(self, value: Any) -> int:
        if isinstance(value, Ref):
            return self.tensor(value.tensor)
        if value is None:
            return self._add(NULL)
        if isinstance(value, bool):
            return self._add(BOOL, np.bool_(value))
        if isinstance(value, int):
            return self._add(INT, np.int64(value))
        if isinstance(value, float):
            return self._add(DOUBLE, np.float64(value))
        if isinstance(value, str):
            return self._add(STRING, value)
        items = [self._value(each) for each in value]
        if value and isinstance(value[0], Ref):
            return self._add(TENSORS, np.array(items, np.int32))
        return self._add(INTS, np.array(items, np.int64))


def _behind(segments: Sequence[bytes]) -> tuple[list[tuple[int, int]], bytes]:
    """Segments one behind the other, aligned, with place and size of each."""
    data, places = bytearray(), []
    for each in segments:
        places.append((len(data), len(each)))
        data += each + bytes(-len(each) % ALIGNMENT)
    return places, bytes(data)


def _headed(tables: bytes, data: bytes) -> bytes:
    """The file: the header lies behind the flatbuffer's mark, and its root that much further on."""
    size = len(tables) + HEADER
    base = size + -size % ALIGNMENT
    (root,) = struct.unpack_from("<I", tables)
    header = MAGIC + struct.pack("<IQQQ", HEADER, size, base, len(data))
    whole = struct.pack("<I", root + HEADER) + tables[4:8] + header + tables[8:]
    return whole + bytes(base - size) + data
