"""`scale`: the scaling point to ship on a device, and the reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from edgebench import plan, profiles, profiling
from edgebench.choose import reasons
from edgebench.choose.bases import bases
from edgebench.choose.budget import Budget, Quantity, parse
from edgebench.choose.confirm import confirm, write_sweep
from edgebench.choose.learning import Learned
from edgebench.choose.points import Describer
from edgebench.choose.pool import Pool, Variant, pool
from edgebench.choose.prior import load, logit, percent
from edgebench.choose.proxies import EPOCHS, PROXIES, Request, learned, trainer
from edgebench.choose.records import Choice, Point, Rejected
from edgebench.choose.rounds import settle
from edgebench.choose.selection import FINALISTS, Selection, select, without_repeats
from edgebench.choose.space import BEYOND_PRIOR, WITHIN_PRIOR
from edgebench.errors import ExportError, Regression, UsageError, unknown
from edgebench.estimate import footprint
from edgebench.estimate.estimator import RUNTIME_OF
from edgebench.plan import OnProgress, Step
from edgebench.profiles import DeviceProfile
from edgebench.records import ExportSpec, identity

PRECISIONS: Final = ("fp32", "fp16", "int8")


def scale(
    device: str,
    family: str = "all",
    *,
    max_latency: Quantity = None,
    max_memory: Quantity = None,
    max_size: Quantity = None,
    min_accuracy: Quantity = None,
    format: str | Sequence[str] | None = None,
    precision: str | Sequence[str] = "fp32",
    threads: int | Sequence[int] = 1,
    recipe: str | None = None,
    extrapolate: bool = False,
    confirmed: bool = True,
    emulation: bool = True,
    quick: bool = True,
    finalists: int = FINALISTS,
    data: str | None = None,
    proxies: int = PROXIES,
    proxy_epochs: int = EPOCHS,
    sweep: str | Path | None = None,
    output: str | Path | None = None,
    results: str | Path = "results",
    on_progress: OnProgress = plan.silent,
) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device.

    Limits are text with a unit ("50ms", "64MB") or numbers in base units; accuracy is top-1 in percent. Several
    formats, precisions and thread counts are all tried; without a format, the first that the device is calibrated for.
    With `confirmed` the best `finalists` are exported into `output` (the cache when it is None), checked against torch,
    and measured or emulated where the device can be, and so is what looks better by what these tell of the estimates;
    the choice is made on what that gives. With `sweep` they are
    written into that sweep file instead, whose results a later call finds. `data` trains `proxies` of them, at first
    for `proxy_epochs`, and learns what accuracies to expect on it. `extrapolate` lets in networks beyond all published
    accuracies.

    Raises UsageError for bad input and for a device without the calibration, Regression when nothing keeps the limits
    (the message says what would), ExportError when no finalist could be exported.
    """
    if finalists < 1:
        raise UsageError(f"--finalists is {finalists}; it must be 1 or more")
    budget = parse(max_latency, max_memory, max_size, min_accuracy)
    profile, chosen = profiles.load(device), bases(family)
    variants = _variants(format or default_format(profile), precision, threads, exported=confirmed)
    if budget.max_memory_bytes is not None:
        _check_memory_is_known(variants)
    on_progress(Step(0, 1, f"searching {family} for {profile.name}"))
    began = time.perf_counter()
    extent = BEYOND_PRIOR if extrapolate else WITHIN_PRIOR
    found = pool(chosen, variants, profile, extent=extent, recipe=recipe, extrapolate=extrapolate)
    spent = time.perf_counter() - began
    learnt = _learned(found, budget, data, proxies, proxy_epochs, on_progress)
    found = found if learnt is None else _adjusted(found, learnt)
    search = _Search(
        device=profile,
        family=family,
        budget=budget,
        recipes={base.kin: load().recipe(base.kin, recipe) for base in chosen},
        describe=Describer(found, profile),
        selection=select(found, budget, finalists),
        seconds=spent,
        learned=learnt,
    )
    points = [search.describe.point(index) for index in search.selection.finalists]
    if sweep is not None:
        write_sweep(Path(sweep), points, profile, quick=quick, emulation=emulation)
    if not confirmed or sweep is not None:
        return _choice(search, points, [])
    confirming = partial(
        confirm,
        device=profile,
        folder=Path(output) if output else profiling.cache_folder() / "artifacts",
        results=Path(results),
        scenario=profiling.scenario(quick=quick),
        emulation=emulation,
        on_progress=on_progress,
    )
    settled = settle(found, budget, search.selection, search.describe.point, confirming)
    kept, lost = _kept([(each.point, each.error) for each in settled.tried], budget)
    told = replace(search, describe=Describer(settled.pool, profile), selection=select(settled.pool, budget, finalists))
    return _choice(told, kept, lost)


def default_format(device: DeviceProfile) -> str:
    """The format to choose for when none is named: the first that the device is calibrated for, on the host tflite."""
    return plan.default_formats(device)[0]


def _learned(
    found: Pool, budget: Budget, data: str | None, number: int, epochs: int, on_progress: OnProgress
) -> Learned | None:
    """What trainings on the data set say, where there is one."""
    if data is None:
        return None
    train = trainer(data, profiling.cache_folder() / "proxies", on_progress)
    return learned(found, budget, Request(data, number, epochs), train)


def _adjusted(found: Pool, learnt: Learned) -> Pool:
    """The pool with the accuracies that were learned; their order stays, their distances do not."""
    columns = found.columns
    value, level = learnt.accuracy(columns.accuracy), logit(learnt.accuracy(columns.accuracy))
    low, high = percent(level - learnt.spread), percent(level + learnt.spread)
    return replace(found, columns=replace(columns, accuracy=value, accuracy_low=low, accuracy_high=high))


@dataclass(frozen=True, kw_only=True)
class _Search:
    """What was asked, and what the search by estimates found."""

    device: DeviceProfile
    family: str
    budget: Budget
    recipes: dict[str, str]
    describe: Describer
    selection: Selection
    seconds: float
    learned: Learned | None = None


def _variants(
    formats: str | Sequence[str], precisions: str | Sequence[str], threads: int | Sequence[int], *, exported: bool
) -> list[Variant]:
    many_formats, many_precisions = _many(formats), _many(precisions)
    for form in many_formats:
        if form not in plan.FORMATS:
            raise unknown("format", form, plan.FORMATS)
    for each in many_precisions:
        if each not in PRECISIONS:
            raise unknown("precision", each, PRECISIONS)
    if exported:
        exports = plan.export_specs(many_formats, many_precisions)
    else:
        exports = [ExportSpec(format=form, precision=each) for form in many_formats for each in many_precisions]  # type: ignore[arg-type]
    counts = (threads,) if isinstance(threads, int) else tuple(threads)
    return [Variant(export, count) for export in exports for count in counts]


def _check_memory_is_known(variants: Sequence[Variant]) -> None:
    nothing = footprint.Held(0, 0, 0, 0, 0)
    for variant in variants:
        runtime, precision = RUNTIME_OF[variant.export.format], variant.export.precision
        if footprint.memory_size(nothing, runtime, precision) is None:
            raise UsageError(
                f"--max-memory: how much memory {runtime} takes in {precision} is not known; leave the limit out, or "
                f"{variant.export.format} in {precision}"
            )


def _many(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _kept(tried: list[tuple[Point, str | None]], budget: Budget) -> tuple[list[Point], list[Rejected]]:
    """Finalists that have a file and keep the limits with their confirmed values, and those that do not."""
    kept, lost = [], []
    for point, error in tried:
        broken = [f"not exported: {error}"] if error else reasons.broken(point, budget)
        if broken:
            lost.append(Rejected(point=point, reasons=tuple(f"as a file: {each}" for each in broken)))
        else:
            kept.append(point)
    if not kept:
        why = "; ".join(f"{each.point.model.key}: {each.reasons[0]}" for each in lost)
        if all(error for _, error in tried):
            raise ExportError(f"no finalist could be exported: {why}")
        raise Regression(f"no finalist keeps the limits once it is a file: {why}; give a little more")
    return kept, lost


def _choice(search: _Search, finalists: list[Point], lost: list[Rejected]) -> Choice:
    point, selection = search.describe.point, search.selection
    picked = max(finalists, key=lambda each: (each.accuracy.value, -each.latency_s.value))
    shown = {each.key: each for each in (*finalists, *(rejected.point for rejected in lost))}

    def known(index: int) -> Point:
        return shown.get(point(index).key, point(index))

    frontier = tuple(msgspec.structs.replace(point(index), warnings=()) for index in selection.frontier)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Choice(
        id=identity(search.device.name, search.family, search.budget, picked.model, picked.export, now),
        time=now,
        device=search.device.name,
        family=search.family,
        budget=search.budget,
        recipes=search.recipes,
        picked=picked,
        confirmed=tuple(finalists) if finalists[0].path else (),
        ties=tuple(each for each in map(known, selection.ties) if each.key != picked.key),
        upgrade=None if selection.upgrade is None else point(selection.upgrade),
        frontier=frontier,
        rejected=(*lost, *_rejected(search, picked, known, {each.point.key for each in lost})),
        headroom=reasons.headroom(picked, search.budget),
        candidates=len(search.describe.pool.columns),
        search_s=search.seconds,
        learned=search.learned,
        calibrated_on=tuple(sorted(search.describe.calibrated_on)),
        warnings=(*reasons.doubts(picked, search.budget), *_cautions(picked, search)),
    )


def _rejected(
    search: _Search, picked: Point, known: Callable[[int], Point], already: set[tuple[str, str, int]]
) -> list[Rejected]:
    """Published networks, near misses and ties, each with its reasons.

    Estimates are compared with the pick's own estimate, confirmed values with its confirmed ones.
    """
    describe, selection = search.describe, search.selection
    itself = [index for index in selection.finalists if describe.point(index).key == picked.key]
    basis = {False: describe.point(itself[0]) if itself else picked, True: picked}
    groups = [describe.pool.published(), selection.near_misses, selection.ties]
    return [
        Rejected(point=point, reasons=reasons.reasons(point, basis[point.path is not None], search.budget))
        for point in map(known, without_repeats(groups, itself))
        if point.key not in already
    ]


def _cautions(picked: Point, search: _Search) -> list[str]:
    if search.learned is not None:
        count = len({each.model.key for each in search.learned.trainings})
        said = [
            f"accuracies are expected on {search.learned.data}, after short trainings of {count} networks: longer "
            "ones reach more"
        ]
    else:
        said = [
            "accuracies are expected from published trainings of such networks, not measured: train the pick to know"
        ]
    if picked.extrapolated:
        said.append("the pick lies beyond all published accuracies: its expected accuracy is a guess")
    if len(search.recipes) > 1:
        said.append("designs were published with different trainings: accuracies across families are less sure")
    return said
