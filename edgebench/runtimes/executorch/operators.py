"""ExecuTorch's event trace: what XNNPACK spends in each operator, and ExecuTorch in those that are not delegated."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from edgebench.ground.flatbuffer import Table
from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.runtimes import WARM_UP_RUNS, MakeInput, timed
from edgebench.runtimes.executorch.engine import load

METHOD = "ExecuTorch's event trace (XNNPACK's own operator times, in whole microseconds)"
EXECUTION = "Execute"
OWN = "native_call_"  # before the name of an operator that ExecuTorch itself runs
Event = tuple[str, bool, float]  # name, whether XNNPACK ran it, seconds


def profile(path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
    """Profiles `runs` inferences of a .pte file after as many without the trace.

    Raises the engine's own errors for a file that it cannot read.
    """
    plain, watched = load(path, threads), load(path, threads, watched=True)
    x = make_input(plain, 0)
    timed(lambda: plain.run(x), WARM_UP_RUNS)
    plain_s = timed(lambda: plain.run(x), runs)
    timed(lambda: watched.run(x), WARM_UP_RUNS)
    profiled_s = timed(lambda: watched.run(x), runs)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "times.etdump"
        watched.write_times(str(file))
        content = file.read_bytes()
    return OperatorProfile(
        method=METHOD,
        threads=threads,
        operators=tuple(map(_operator, zip(*traced(content)[-runs:], strict=True))),
        profiled_s=tuple(profiled_s),
        plain_s=tuple(plain_s),
    )


def traced(content: bytes) -> list[list[Event]]:
    """The operators of each inference in an ETDump (devtools/etdump/etdump_schema_flatcc.fbs)."""
    unprefixed = content[4:]  # its size stands before it
    blocks = [each for each in Table.root(unprefixed).tables(1) if each.text(0) == EXECUTION]
    events = ([event for each in block.tables(3) if (event := each.table(0))] for block in blocks)
    return [[_event(each) for each in block if each.text(4) or each.text(0).startswith(OWN)] for block in events]


def _event(event: Table) -> Event:
    delegated = event.text(4)
    seconds = (event.number(7, "Q") - event.number(6, "Q")) * 1e-9
    return delegated or event.text(0).removeprefix(OWN), bool(delegated), round(seconds, 9)


def _operator(runs: tuple[Event, ...]) -> OperatorTime:
    name, delegated, _ = runs[0]
    kind = name.partition(" (")[0]
    return OperatorTime(
        name=name, kind=kind, unit="XNNPACK" if delegated else "ExecuTorch", time_s=tuple(each[-1] for each in runs)
    )
