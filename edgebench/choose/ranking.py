"""Which runtime: every format, precision and thread count of a network, ranked by latency.

On this machine, and in a page on it, all are measured in turn, a fresh process each and a round after the other, so
that what the machine does to one it does to all; the ratio of two is that of their processes in the same round.
Elsewhere they are estimated.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Final, cast

from msgspec import structs

from edgebench.estimate.known import cells as estimable
from edgebench.formats.format import form
from edgebench.formats.web import web_engines
from edgebench.ground import store
from edgebench.ground.errors import JobError, UsageError, warn
from edgebench.ground.options import listed, whole_numbers, within
from edgebench.ground.paths import cache_folder
from edgebench.ground.progress import Step
from edgebench.ground.records import Artifact, Interval, Measurement, Result, Scenario
from edgebench.ground.statistics import interval
from edgebench.machines import profiles
from edgebench.measure import measure
from edgebench.models.given import NOTHING, Given
from edgebench.run import engine, mode, plan
from edgebench.run.network import ModelArguments
from edgebench.run.options import Runtimes
from edgebench.runtimes import runtime, runtime_of, unavailable

SCENARIO: Final = Scenario(processes=1, warmup_runs=10, warmup_s=0.2, min_runs=30, min_s=0.5, max_s=30.0, quick=True)
MOST_ROUNDS: Final = 100


@dataclass(frozen=True)
class Ranked:
    """One way to run the network. `place` counts from 1 and is shared by those that cannot be told apart.

    `ratio` is its latency over that of the fastest; both are None where there is no latency, and `result` says why.
    `install` is what the device needs, `file` what was run.
    """

    result: Result
    install: str
    place: int | None = None
    ratio: Interval | None = None
    file: str = ""


def ranked(asked: Runtimes) -> tuple[Ranked, ...]:
    """Measures or estimates all, and ranks them. Raises UsageError where nothing of the kind can be had."""
    device = profiles.load(asked.device)
    here = device.name in profiles.HERE
    every = {1} if device.reach == "browser" else {1, device.cpu.cores}
    threads = whole_numbers(asked.threads, "threads") if asked.threads is not None else tuple(sorted(every))
    within(asked.rounds, "rounds", 2, MOST_ROUNDS)
    folder = Path(asked.results) / device.name
    store.check_writable(folder)
    cells, given = _cells(asked, device)
    if not here:
        found: list[Result] = []
        for count in threads:
            method, scenario = mode.method(device, "estimate"), engine.scenario(threads=count)
            found += engine.run(cells, device, scenario, Path(asked.results), method=method, given=given)
        return rank([(each, "") for each in found])
    runner = engine.Engine(device, mode.method(device), structs.replace(SCENARIO, threads=max(threads)), given)
    runner.check(cells)
    return rank([(engine.kept(folder, each), file) for each, file in _measured(asked, runner, cells, threads)])


def _cells(asked: Runtimes, device: profiles.DeviceProfile) -> tuple[list[plan.Cell], Given]:
    """Each format in those precisions that it has; what neither runs nor has an estimate is warned of."""
    precisions = listed(asked.precision, "precision", plan.PRECISIONS)
    found: list[plan.Cell] = []
    given = NOTHING
    model = plan.source(asked.model, ModelArguments.of(asked))
    forms, _ = plan.named_formats(asked.format)
    for name in forms:
        entry = form(name)
        able = entry.able(precisions, asked.scheme)
        if why_not := _why_not(device, name):
            warn(f"left out: {name}: {why_not}")
            continue
        if len(able) < len(entry.able(precisions, entry.schemes[0])):
            warn(f"left out: {entry.without(asked.scheme)}")
        if able:
            cells, given = plan.asked(asked.replace(format=name, precision=able), model)
            found += cells
    if not found:
        raise UsageError("none of these formats and precisions can be had here: name others, or install their extras")
    return found, given


def _why_not(device: profiles.DeviceProfile, form: str) -> str | None:
    """Why files of a format have no latency on the device; empty or None where they have."""
    if device.reach == "browser" and form not in (engines := web_engines()):
        return f"a page runs {' or '.join(engines)}"
    of = runtime_of(form)
    if device.name in profiles.HERE:
        return unavailable(of)
    known = any(of == runtime for runtime, _ in estimable(device))
    return None if known else f"no estimate: no published rows for {of} on the {device.title}"


def _measured(
    asked: Runtimes, runner: engine.Engine, cells: Sequence[plan.Cell], threads: Sequence[int]
) -> Iterator[tuple[Result, str]]:
    """Every file at every number of threads, in turn."""
    device, target = runner.device.name, runner.target()
    ways: list[tuple[plan.Cell, Artifact, int]] = []
    for cell, artifact in zip(cells, runner.files(cells, cache_folder() / "artifacts"), strict=True):
        asked.on_progress(Step(0, asked.rounds, cell.title, "converting and checking"))
        if isinstance(artifact, JobError):
            yield runner.record(cell, artifact), ""
        elif artifact is not None:
            ways += [(cell, artifact, count) for count in threads]
    order, found = random.Random(0), [list[Measurement]() for _ in ways]
    for number in range(asked.rounds):
        for at in order.sample(range(len(ways)), len(ways)):
            cell, artifact, count = ways[at]
            if found[at] and found[at][-1].status == "failed":
                continue
            asked.on_progress(Step(number, asked.rounds, f"{cell.title}, {count} threads", "measuring in turn"))
            runner.scenario = structs.replace(SCENARIO, threads=count)
            if number:
                of = runtime_of(cell.export.format)
                again = measure(artifact, of, runner.scenario, device=device, target=target, memory=False)
            else:  # with its memory, and in a page with its outputs
                again = cast(Measurement, runner.record(cell, artifact))
            found[at].append(again)
    yield from ((_joined(each), artifact.path) for each, (_, artifact, _) in zip(found, ways, strict=True))


def _joined(rounds: Sequence[Measurement]) -> Measurement:
    """The rounds of one way as one measurement of as many processes; the first has the memory, the last the status."""
    return structs.replace(
        rounds[0],
        scenario=structs.replace(rounds[0].scenario, processes=len(rounds)),
        latency_s=tuple(samples for each in rounds for samples in each.latency_s),
        load_s=tuple(load for each in rounds for load in each.load_s),
        first_s=tuple(first for each in rounds for first in each.first_s),
        warnings=(),
        status=rounds[-1].status,
        error=rounds[-1].error,
    )


def rank(results: Sequence[tuple[Result, str]]) -> tuple[Ranked, ...]:
    """The results, each with its file, by their latency; those without one last."""
    ways = [Ranked(result, _install(result), file=file) for result, file in results]
    timed = _in_order([each for each in ways if each.result.status == "ok" and each.result.latency])
    found: list[Ranked] = []
    leader, place = None, 1
    for number, each in enumerate(timed, 1):
        against = None if leader is None else _ratio(each.result, leader.result)
        if against is None or against.low > 1:
            leader, place = each, number
        found.append(replace(each, place=place, ratio=_ratio(each.result, timed[0].result)))
    return (*found, *(each for each in ways if each not in timed))


def _install(result: Result) -> str:
    if result.device == "browser":
        package = web_engines()[result.export.format].package
        return f"npm install {package.name}@{package.version}"
    return f"pip install {runtime(result.runtime).distribution}"


def _in_order(ways: Sequence[Ranked]) -> list[Ranked]:
    """By latency; where all took turns, by the median of what each took of its round."""
    rounds = [[math.log(median(samples)) for samples in _samples(each.result)] for each in ways]
    if not all(rounds):
        return sorted(ways, key=lambda each: each.result.latency.value if each.result.latency else math.inf)
    means = [fmean(each) for each in zip(*rounds, strict=False)]
    shares = [median(one - mean for one, mean in zip(each, means, strict=False)) for each in rounds]
    return [each for _, each in sorted(zip(shares, ways, strict=True), key=lambda pair: pair[0])]


def _samples(result: Result) -> tuple[tuple[float, ...], ...]:
    return result.latency_s if isinstance(result, Measurement) else ()


def _ratio(result: Result, best: Result) -> Interval:
    """The latency over that of another: of the processes in the same round, or of two estimates that err apart."""
    if isinstance(result, Measurement) and isinstance(best, Measurement):
        pairs = zip(map(median, result.latency_s), map(median, best.latency_s), strict=False)
        ratios = [one / other for one, other in pairs]
        low, high = interval(ratios) or (0.0, math.inf)
        return Interval(value=median(ratios), low=low, high=high)
    return _of_estimates(result, best)


def _of_estimates(result: Result, best: Result) -> Interval:
    one, other = result.latency, best.latency
    if one is None or other is None or result is best:
        return Interval(value=1.0, low=1.0, high=1.0)
    value = one.value / other.value
    half = math.hypot(math.log(one.high / one.value), math.log(other.high / other.value))
    return Interval(value=value, low=value * math.exp(-half), high=value * math.exp(half))
