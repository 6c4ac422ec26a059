"""onnxruntime's own profiler: a kernel_time event for every node of every run, in a file of Chrome trace events."""

from __future__ import annotations

import json
import math
import tempfile
from bisect import bisect_right
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from onnxruntime import InferenceSession

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, OnnxSession, options

METHOD = "onnxruntime's profiler (kernel_time, in whole microseconds)"
PADDED = "; MACs include the channels that it pads to its block size"
SUFFIX = "_kernel_time"
ITEM_BYTES = {"float": 4, "float16": 2, "double": 8, "int64": 8, "int32": 4, "uint8": 1, "int8": 1, "bool": 1}

Event = dict[str, Any]
Shape = list[int]


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of an .onnx file after as many without the profiler.

    Raises the engine's own errors for a file that it cannot read, RuntimeError for a profile without nodes.
    """
    with tempfile.TemporaryDirectory() as folder:
        watching = options(threads)
        watching.enable_profiling = True
        watching.profile_file_prefix = str(Path(folder) / "nodes")
        engine = InferenceSession(path, watching, providers=PROVIDERS)
        first = engine.get_inputs()[0].shape[0]
        batch = first if isinstance(first, int) and first > 0 else 1
        watched = OnnxSession(engine, batch)
        plain = OnnxSession(InferenceSession(path, options(threads), providers=PROVIDERS), batch)
        x = make_input(plain, 0)
        timed(lambda: plain.run(x), WARM_UP_RUNS)
        plain_s = timed(lambda: plain.run(x), runs)
        timed(lambda: watched.run(x), WARM_UP_RUNS)
        profiled_s = timed(lambda: watched.run(x), runs)
        events = json.loads(Path(engine.end_profiling()).read_text("utf-8"))
    found, exact = with_weights(operators(events, runs), nodes(events, runs)[-1], weights(path))
    return OperatorProfile(
        method=METHOD if exact else METHOD + PADDED,
        threads=threads,
        operators=tuple(found),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def operators(events: list[Event], runs: int) -> list[OperatorTime]:
    """The nodes with one time each from the last `runs` inferences among the profiler's events.

    Raises RuntimeError when the inferences did not all run the same nodes.
    """
    kept = nodes(events, runs)
    if not kept or not kept[0] or len({len(each) for each in kept}) != 1:
        raise RuntimeError("onnxruntime's profile does not hold the same nodes for every inference")
    starts = _starts(events)[-runs:]
    return [_operator(events_of_node, starts) for events_of_node in map(list, zip(*kept, strict=True))]


def nodes(events: list[Event], runs: int) -> list[list[Event]]:
    """The nodes' events of each of the last `runs` inferences, in the order in which they ran."""
    starts = _starts(events)
    found: list[list[Event]] = [[] for _ in starts]
    for event in sorted(events, key=lambda event: event["ts"]):
        if event["cat"] == "Node" and event["name"].endswith(SUFFIX):
            found[bisect_right(starts, event["ts"]) - 1].append(event)
    return found[-runs:]


def _starts(events: list[Event]) -> list[int]:
    return sorted(event["ts"] for event in events if event["name"] == "model_run")


def weights(path: str) -> list[Shape]:
    """The shapes of the file's convolution weights in the order of its nodes; none without the package onnx."""
    try:
        import onnx
    except ModuleNotFoundError:
        return []
    graph = onnx.load(path, load_external_data=False).graph
    shapes = {each.name: list(each.dims) for each in graph.initializer}
    return [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv" and node.input[1] in shapes]


def with_weights(found: list[OperatorTime], run: list[Event], file: list[Shape]) -> tuple[list[OperatorTime], bool]:
    """The operators with the MACs of the file's own convolutions, and whether those could be told.

    onnxruntime pads channels to its block size and runs convolutions in the order of the file; where the kernels of
    the two do not agree one by one, its own shapes stay.
    """
    places = [number for number, operator in enumerate(found) if operator.kind in ("Conv", "FusedConv")]
    shapes = [_shapes(run[number]["args"]["input_type_shape"])[1][1] for number in places]
    if len(places) != len(file) or any(own[2:] != run_as[2:] for own, run_as in zip(file, shapes, strict=True)):
        return found, not places
    exact = list(found)
    for number, own in zip(places, file, strict=True):
        [(_, output)] = _shapes(run[number]["args"]["output_type_shape"])
        exact[number] = replace(found[number], macs=math.prod(output[2:]) * math.prod(own))
    return exact, True


def _operator(events: list[Event], starts: list[int]) -> OperatorTime:
    """One node from its event in each run; times are in microseconds there."""
    event, arguments = events[0], events[0]["args"]
    inputs, outputs = _shapes(arguments["input_type_shape"]), _shapes(arguments["output_type_shape"])
    return OperatorTime(
        name=event["name"].removesuffix(SUFFIX),
        kind=arguments["op_name"],
        unit=arguments["provider"],
        time_s=tuple(each["dur"] / 1e6 for each in events),
        start_s=tuple(round((each["ts"] - start) / 1e6, 9) for each, start in zip(events, starts, strict=True)),
        macs=macs(arguments["op_name"], [shape for _, shape in inputs], [shape for _, shape in outputs]),
        traffic_bytes=_traffic(arguments["op_name"], inputs, outputs),
    )


def _shapes(described: list[dict[str, Shape]]) -> list[tuple[str, Shape]]:
    return [pair for tensor in described for pair in tensor.items()]


def macs(kind: str, inputs: list[Shape], outputs: list[Shape]) -> int | None:
    """Multiply-accumulates of a convolution or matrix product from its shapes; None where they do not tell.

    A weight that onnxruntime has packed for itself is missing from the inputs.
    """
    if not inputs or not outputs:
        return None
    if "ConvTranspose" in kind:
        return None
    if "Conv" in kind:
        weight = next((shape for shape in inputs[1:] if len(shape) == 4), None)
        return math.prod(outputs[0]) * math.prod(weight[1:]) if weight else None
    if "Gemm" in kind or "MatMul" in kind:
        return math.prod(outputs[0]) * inputs[0][-1] if inputs[0] else None
    return 0


def _traffic(kind: str, inputs: list[tuple[str, Shape]], outputs: list[tuple[str, Shape]]) -> int | None:
    """Bytes of all inputs, weights and outputs; None for an element type of unknown size."""
    tensors = [*inputs, *outputs]
    if any(name not in ITEM_BYTES for name, _ in tensors):
        return None
    found = sum(ITEM_BYTES[name] * math.prod(shape) for name, shape in tensors)
    product = "Gemm" in kind or "MatMul" in kind
    packed = product and inputs and not any(len(shape) == 2 for _, shape in inputs[1:])
    if packed:
        name, shape = inputs[0]
        found += ITEM_BYTES[name] * shape[-1] * outputs[0][1][-1]
    return found
