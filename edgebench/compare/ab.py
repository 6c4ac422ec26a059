"""A/B in turn: fresh processes of two files, interleaved, until the answer is sure or the time is up.

Made for noisy shared machines. What the machine does to one side it does to the other a second later, so the ratio of
a pair is far steadier than either time; the order inside each pair is random, and the interval may be looked at after
every pair (see sequential.py).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgebench.compare import sequential
from edgebench.compare.records import Verdict
from edgebench.compare.statistics import ALPHA, process_values
from edgebench.compare.verdicts import classify, conclude, justify, percent
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import SCHEMA, Interval, Record, Scenario

Side = Literal["base", "new"]
RunProcess = Callable[[Side], Sequence[float]]
"""Runs one fresh process of a side and returns its steady-state samples in seconds."""

# Short processes: the differences between processes are what limits, and they shrink with the number of processes.
SCENARIO: Final = Scenario(processes=1, warmup_runs=10, warmup_s=0.2, min_runs=30, min_s=0.5, max_s=30.0, quick=True)


@dataclass(frozen=True)
class Limits:
    """When to stop: an effect of `threshold` matters, an interval of +-`tight` (a share) is tight enough."""

    threshold: float = 0.05
    time_s: float = 180.0
    alpha: float = ALPHA
    tight: float = 0.01


class AbReport(Record, frozen=True, kw_only=True):
    """The answer, with all samples in time order: `base_s[pair][i]`, `new_s[pair][i]`, and the ratio after each pair.

    `ratio` is new/base with its anytime-valid interval; `path` the same after each pair, the last one being `ratio`.
    With fewer pairs than sequential.least_pairs the interval is the placeholder 0.01 to 100.
    """

    schema: int = SCHEMA
    base_name: str
    new_name: str
    threshold: float
    verdict: Verdict
    reason: str
    ratio: Interval
    elapsed_s: float
    base_s: tuple[tuple[float, ...], ...]
    new_s: tuple[tuple[float, ...], ...]
    path: tuple[Interval, ...]


def run_ab(
    run_process: RunProcess,
    limits: Limits,
    *,
    names: tuple[str, str] = ("base", "new"),
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
    on_progress: OnProgress = silent,
) -> AbReport:
    """Runs pairs until one verdict is sure, the interval is tight enough, or no further pair fits into the time.

    Whatever `run_process` raises ends it.
    """
    order, begin = random.Random(seed), clock()
    samples: dict[Side, list[Sequence[float]]] = {"base": [], "new": []}
    path: list[Interval] = []
    while True:
        for side in ("base", "new") if order.random() < 0.5 else ("new", "base"):
            samples[side].append(tuple(run_process(side)))
        base, new = (process_values(samples[side]).tolist() for side in ("base", "new"))
        path.append(sequential.interval(base, new, limits.alpha))
        pairs, elapsed = len(path), clock() - begin
        on_progress(_step(pairs, elapsed, path[-1], limits))
        verdict, reason = decide(path[-1], pairs, limits)
        if verdict != "inconclusive" or elapsed * (pairs + 1) / pairs > limits.time_s:
            break
    return AbReport(
        base_name=names[0],
        new_name=names[1],
        threshold=limits.threshold,
        verdict=verdict,
        reason=reason,
        ratio=path[-1],
        elapsed_s=elapsed,
        base_s=tuple(map(tuple, samples["base"])),
        new_s=tuple(map(tuple, samples["new"])),
        path=tuple(path),
    )


def decide(ratio: Interval, pairs: int, limits: Limits) -> tuple[Verdict, str]:
    """The verdict after some pairs. Inconclusive means: go on, or say so when the time is up."""
    significant = ratio.low > 1 or ratio.high < 1
    verdict = classify(ratio.value, ratio.low, ratio.high, limits.threshold, significant=significant)
    if verdict == "inconclusive" and math.log(ratio.high / ratio.low) / 2 < math.log1p(limits.tight):
        return "same", f"known to +-{percent(limits.tight)}, and not beyond {percent(limits.threshold)}"
    if not sequential.is_bounded(ratio, pairs):
        least = sequential.least_pairs(limits.alpha)
        return verdict, f"{pairs} of at least {least} pairs, {least - pairs} more are needed: give it more time"
    if verdict == "inconclusive":
        return verdict, f"{pairs} pairs leave the ratio between {ratio.low:.3f} and {ratio.high:.3f}: give it more time"
    return verdict, justify(verdict, limits.threshold, f"{pairs} pairs, alpha {limits.alpha:g} at any time")


def check(report: AbReport) -> None:
    """Raises Regression (exit code 1) for a slowdown, Inconclusive (3) when the time did not suffice."""
    sentence = [f"{report.new_name} against {report.base_name}: {report.reason}"]
    failing = sentence if report.verdict == "slower" else []
    conclude("comparisons", 1, failing, sentence if report.verdict == "inconclusive" else [])


def _step(pairs: int, elapsed_s: float, ratio: Interval, limits: Limits) -> Step:
    """How far a run is: in seconds of those it may take, with the ratio so far."""
    known = f"{ratio.low:.3f} to {ratio.high:.3f}" if sequential.is_bounded(ratio, pairs) else "no interval yet"
    title = f"pair {pairs}: new/base {ratio.value:.3f} ({known})"
    return Step(min(int(elapsed_s), int(limits.time_s)), int(limits.time_s), title, "seconds at most")
