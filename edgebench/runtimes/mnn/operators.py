"""MNN's operators, timed by what its engine calls before and after each."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.mnn.engine import MnnSession, load

METHOD = "calls of MNN's engine around each operator (which Python answers, some microseconds each)"
WITH_MACS = ("Convolution", "ConvolutionDepthwise", "ConvInt8", "DepthwiseConvInt8", "Deconvolution", "MatMul")
INT8 = "DT_INT8"  # behind the kind of what computes in it
Run = tuple[str, str, int, float, float]  # name, kind with its type, MACs, start and end


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of an .mnn file after as many without the calls.

    Raises the engine's own errors for a file that it cannot read.
    """
    session = load(path, threads)
    x = make_input(session, 0)
    timed(lambda: session.run(x), WARM_UP_RUNS)
    plain_s = timed(lambda: session.run(x), runs)
    seen: list[list[Run]] = []
    profiled_s = timed(lambda: seen.append(_watched(session, x)), runs)
    return OperatorProfile(
        method=METHOD,
        threads=threads,
        operators=tuple(_operator(each) for each in zip(*seen, strict=True)),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def _watched(session: MnnSession, x: Any) -> list[Run]:
    found: list[Run] = []
    start = 0.0

    def before(tensors: Any, operator: Any) -> None:
        nonlocal start
        start = perf_counter()

    def after(tensors: Any, operator: Any) -> None:
        end = perf_counter()
        found.append((operator.getName(), operator.getType(), _macs(tensors[0], operator), start, end))

    session.watched(x, before, after)
    return found


def _macs(output: Any, operator: Any) -> int:
    """What the engine counts, in millions as float32: as many for each value of the output."""
    values = math.prod(output.getShape())
    return values * round(operator.getFlops() * 1e6 / values) if _kind(operator.getType()) in WITH_MACS else 0


def _operator(runs: tuple[Run, ...]) -> OperatorTime:
    name, kind, macs, *_ = runs[0]
    times = tuple(end - start for *_, start, end in runs)
    return OperatorTime(name=name, kind=_kind(kind), unit="int8" if INT8 in kind else "", time_s=times, macs=macs)


def _kind(said: str) -> str:
    """Convolution of "Convolution [ DT_INT8 ]"."""
    return said.partition(" [")[0]
