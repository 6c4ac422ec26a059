"""OpenVINO's own counters: the time of every operator that its CPU plugin runs, in whole microseconds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.openvino.engine import OpenVinoSession, compiled, read

METHOD = "OpenVINO's counters (of what its CPU plugin runs, in whole microseconds)"
MACS = ("Convolution", "GroupConvolution", "MatMul")


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of an .openvino folder after as many without the counters.

    Raises the engine's own errors for a folder that it cannot read.
    """
    model = read(path)
    plain = OpenVinoSession(compiled(model, threads), model.inputs[0].shape[0])
    x = make_input(plain, 0)
    watched = compiled(model, threads, watched=True).create_infer_request()
    fed = [x, *(np.zeros(one["shape"], one["dtype"]) for one in plain.inputs[1:])]
    timed(lambda: plain.run(x), WARM_UP_RUNS)
    plain_s = timed(lambda: plain.run(x), runs)
    timed(lambda: watched.infer(fed), WARM_UP_RUNS)
    profiled_s, counted = [], []
    for _ in range(runs):
        profiled_s += timed(lambda: watched.infer(fed), 1)
        counted.append([each for each in watched.profiling_info if each.status == each.Status.EXECUTED])
    macs = {_name(node.get_friendly_name()): _macs(node) for node in model.get_ops() if node.get_type_name() in MACS}
    return OperatorProfile(
        method=METHOD,
        threads=threads,
        operators=tuple(_operator(each, macs) for each in zip(*counted, strict=True)),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def _operator(runs: tuple[Any, ...], macs: dict[str, int]) -> OperatorTime:
    first = runs[0]
    return OperatorTime(
        name=_name(first.node_name),
        kind=first.node_type,
        unit=first.exec_type,
        time_s=tuple(each.real_time.total_seconds() for each in runs),
        macs=macs.get(_name(first.node_name), 0),
    )


def _name(node: str) -> str:
    """A layer's name, with its bias or without."""
    return node.removesuffix("/WithoutBiases")


def _macs(node: Any) -> int:
    """Multiply-accumulates: of each output value the weights of its filter, or the length of what is summed."""
    output, weight = math.prod(map(int, node.get_output_shape(0))), [*map(int, node.get_input_shape(1))]
    if node.get_type_name() == "MatMul":
        return output * int(node.get_input_shape(0)[-1])
    filters = 2 if node.get_type_name() == "GroupConvolution" else 1
    return output * math.prod(weight[filters:])
