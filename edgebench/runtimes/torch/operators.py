"""PyTorch's own profiler: the outermost operators of every inference in eager mode."""

from __future__ import annotations

from typing import Any

from torch.profiler import ProfilerActivity, record_function
from torch.profiler import profile as watch

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.torch.engine import load

METHOD = "torch.profiler (outermost ATen operators)"
INFERENCE = "edgebench inference"
PRODUCTS = ("aten::conv2d", "aten::addmm", "aten::mm", "aten::bmm")


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of a .pt2 file after as many without the profiler.

    Raises the engine's own errors for a file that it cannot read, RuntimeError for inferences that differ.
    """
    session = load(path, threads)
    x = make_input(session, 0)
    timed(lambda: session.run(x), WARM_UP_RUNS)
    plain_s = timed(lambda: session.run(x), runs)

    def inference() -> None:
        with record_function(INFERENCE):
            session.run(x)

    with watch(activities=[ProfilerActivity.CPU], with_flops=True) as watching:
        profiled_s = timed(inference, runs)
    return OperatorProfile(
        method=METHOD,
        threads=threads,
        operators=tuple(operators(watching.events() or [])),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def operators(events: Any) -> list[OperatorTime]:
    """The ATen operators directly under each inference, with one time for each of them.

    Raises RuntimeError when the inferences did not all run the same operators.
    """
    inferences = [event for event in events if event.name == INFERENCE]
    nodes = [[child for child in event.cpu_children if child.name.startswith("aten::")] for event in inferences]
    if not nodes or not nodes[0] or len({tuple(each.name for each in run) for run in nodes}) != 1:
        raise RuntimeError("torch's profile does not hold the same operators for every inference")
    starts = [event.time_range.start for event in inferences]
    return [_operator(number, list(run), starts) for number, run in enumerate(zip(*nodes, strict=True))]


def _operator(number: int, events: list[Any], starts: list[float]) -> OperatorTime:
    """One operator from its event in each run; times are in microseconds there, and a MAC is two operations."""
    kind = events[0].name.removeprefix("aten::")
    return OperatorTime(
        name=f"{kind}_{number}",
        kind=kind,
        unit="ATen",
        time_s=tuple(round(event.cpu_time_total / 1e6, 9) for event in events),
        start_s=tuple(
            round((event.time_range.start - start) / 1e6, 9) for event, start in zip(events, starts, strict=True)
        ),
        macs=operations(events[0]) // 2,
    )


def operations(event: Any) -> int:
    """What torch counts for the products in an operator and in all that it calls: linear calls addmm."""
    own = event.flops if event.name in PRODUCTS else 0
    return int(own or 0) + sum(operations(child) for child in event.cpu_children)
