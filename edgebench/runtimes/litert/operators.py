"""LiteRT's own profiler: what XNNPACK spends in each operator, and TensorFlow Lite in those that it kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.litert.api import CompiledModel, Event
from edgebench.runtimes.litert.engine import load

METHOD = "LiteRT's profiler (XNNPACK's own operator times, in whole microseconds)"
INVOKE = "Invoke"
# LiteRtProfilerEventType: an operator of the file, or one inside a delegate.
OPERATOR, IN_DELEGATE, DELEGATE_OPERATOR = 1 << 1, 1 << 2, 1 << 3

# Which operators of a file XNNPACK's names stand for. It runs 1x1 convolutions as dense layers and depthwise ones as
# either, so everything with MACs is one group; the order tells them apart.
WITH_MACS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
GROUPS = (
    (("Convolution", "Fully Connected"), WITH_MACS),
    (("Add",), ("ADD",)),
    (("Multiply",), ("MUL",)),
    (("Sigmoid",), ("LOGISTIC",)),
    (("Mean", "Global Average Pooling"), ("MEAN",)),
    (("Max Pooling",), ("MAX_POOL_2D",)),
    (("Average Pooling",), ("AVERAGE_POOL_2D",)),
    (("Static Reshape", "Copy"), ("RESHAPE",)),
    (("Constant Pad",), ("PAD", "PADV2")),
    (("Softmax",), ("SOFTMAX",)),
    (("Tanh",), ("TANH",)),
    (("HardSwish", "Hardswish"), ("HARD_SWISH",)),
    (("Concatenate",), ("CONCATENATION",)),
    (("Clamp", "ReLU"), ("RELU", "RELU6")),
)


@dataclass(frozen=True)
class FileOperator:
    """One operator as the file has it, before a delegate takes it."""

    name: str
    kind: str
    macs: int
    traffic_bytes: int


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of a .tflite file after as many without the profiler.

    Raises the engine's own errors for a file that it cannot read, RuntimeError for inferences that differ.
    """
    session = load(path, threads)
    x = make_input(session, 0)
    model = CompiledModel(path, threads, x.shape, x.dtype.name)
    model.fill(np.ascontiguousarray(x).tobytes())
    timed(model.run, WARM_UP_RUNS)
    plain_s = timed(model.run, runs)
    model.start()
    profiled_s = timed(model.run, runs)
    events = model.stop()
    return OperatorProfile(
        method=METHOD,
        threads=threads,
        operators=tuple(operators(events, file_operators(path))),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def file_operators(path: str) -> list[FileOperator]:
    """The operators of a .tflite file in the order in which they run, with what they cost at batch 1."""
    interpreter = Interpreter(
        model_path=path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    tensors = {int(tensor["index"]): tensor for tensor in interpreter.get_tensor_details()}
    return [_file_operator(each, tensors) for each in interpreter._get_ops_details()]


def _file_operator(operator: dict[str, Any], tensors: dict[int, dict[str, Any]]) -> FileOperator:
    inputs = [tensors[int(index)] for index in operator["inputs"] if int(index) in tensors]
    outputs = [tensors[int(index)] for index in operator["outputs"]]
    sizes = [math.prod(map(int, each["shape"])) * np.dtype(each["dtype"]).itemsize for each in (*inputs, *outputs)]
    return FileOperator(
        name=str(outputs[0]["name"]),
        kind=operator["op_name"],
        macs=macs(operator["op_name"], [each["shape"] for each in inputs], outputs[0]["shape"]),
        traffic_bytes=sum(sizes),
    )


def macs(kind: str, inputs: Sequence[Sequence[int]], output: Sequence[int]) -> int:
    """Multiply-accumulates from shapes; zero for kinds that have none.

    Filters are (out, height, width, in / groups), depthwise ones (1, height, width, out), dense weights (out, in).
    """
    if kind not in WITH_MACS:
        return 0
    weight = [int(size) for size in inputs[1]]
    each = math.prod(weight[1:3] if kind == "DEPTHWISE_CONV_2D" else weight[1:])
    return math.prod(int(size) for size in output) * each


def operators(events: Iterable[Event], known: Sequence[FileOperator]) -> list[OperatorTime]:
    """One entry for each operator that ran, with its time in every inference, and its cost where the file tells it.

    Raises RuntimeError when the inferences did not all run the same operators.
    """
    runs = _runs(events)
    if not runs or not runs[0] or len({tuple(event.tag for event in run) for run in runs}) != 1:
        raise RuntimeError("LiteRT's profile does not hold the same operators for every inference")
    matched = match([event.tag for event in runs[0]], known)
    return [_operator(events, found) for events, found in zip(zip(*runs, strict=True), matched, strict=True)]


def _runs(events: Iterable[Event]) -> list[list[Event]]:
    """The operators' events of each inference; an inference begins with the event of its invocation."""
    runs: list[list[Event]] = []
    for event in events:
        if event.tag == INVOKE and event.type == 1:
            runs.append([])
        elif event.type in (OPERATOR, IN_DELEGATE, DELEGATE_OPERATOR) and runs and "Delegate" not in event.tag:
            runs[-1].append(event)
    return runs


def match(tags: Sequence[str], known: Sequence[FileOperator]) -> list[FileOperator | None]:
    """For each tag the operator of the file that it stands for: the n-th of a group is the n-th of that group there.

    Where the numbers of a group differ (XNNPACK merged or added some), none of it is matched.
    """
    found: list[FileOperator | None] = [None] * len(tags)
    # TensorFlow Lite's own operators are tagged with their kind.
    groups = [next((kinds for starts, kinds in GROUPS if tag.startswith(starts)), (tag,)) for tag in tags]
    for group in set(groups):
        places = [number for number, each in enumerate(groups) if each == group]
        members = [operator for operator in known if operator.kind in group]
        if len(places) == len(members):
            for place, operator in zip(places, members, strict=True):
                found[place] = operator
    return found


def _operator(events: Sequence[Event], known: FileOperator | None) -> OperatorTime:
    tag = events[0].tag
    return OperatorTime(
        name=known.name if known else tag,
        kind=known.kind if known else tag.partition(" (")[0],
        unit=tag if events[0].type == OPERATOR else f"XNNPACK {tag}",
        time_s=tuple(event.elapsed_s for event in events),
        macs=known.macs if known else None,
        traffic_bytes=known.traffic_bytes if known else None,
    )
