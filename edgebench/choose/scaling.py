"""`scale`: the scaling point to ship on a device, and the reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from edgebench import plan, profiles, profiling
from edgebench.choose import reasons
from edgebench.choose.bases import bases
from edgebench.choose.budget import Budget, Quantity, parse
from edgebench.choose.confirm import confirm
from edgebench.choose.points import Describer
from edgebench.choose.pool import Variant, pool
from edgebench.choose.prior import load
from edgebench.choose.records import Choice, Point, Rejected
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
    format: str | Sequence[str] = "tflite",
    precision: str | Sequence[str] = "fp32",
    threads: int | Sequence[int] = 1,
    recipe: str | None = None,
    extrapolate: bool = False,
    confirmed: bool = True,
    emulation: bool = True,
    quick: bool = True,
    output: str | Path | None = None,
    results: str | Path = "results",
    on_progress: OnProgress = plan.silent,
) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device.

    Limits are text with a unit ("50ms", "64MB") or numbers in base units; accuracy is top-1 in percent. Several
    formats, precisions and thread counts are all tried. With `confirmed` the best few are exported into `output` (the
    cache when it is None), checked against torch, and measured or emulated where the device can be; the choice is made
    on what that gives. `extrapolate` lets in networks beyond all published accuracies.

    Raises UsageError for bad input and for a device without the calibration, Regression when nothing keeps the limits
    (the message says what would), ExportError when no finalist could be exported.
    """
    budget = parse(max_latency, max_memory, max_size, min_accuracy)
    profile, chosen = profiles.load(device), bases(family)
    variants = _variants(format, precision, threads, exported=confirmed)
    if budget.max_memory_bytes is not None:
        _check_memory_is_known(variants)
    on_progress(Step(0, 1, f"searching {family} for {profile.name}"))
    began = time.perf_counter()
    found = pool(
        chosen,
        variants,
        profile,
        extent=BEYOND_PRIOR if extrapolate else WITHIN_PRIOR,
        recipe=recipe,
        extrapolate=extrapolate,
    )
    search = _Search(
        device=profile,
        family=family,
        budget=budget,
        recipes={base.kin: load().recipe(base.kin, recipe) for base in chosen},
        describe=Describer(found, profile),
        selection=select(found, budget, FINALISTS),
        seconds=time.perf_counter() - began,
    )
    finalists = [search.describe.point(index) for index in search.selection.finalists]
    lost: list[Rejected] = []
    if confirmed:
        folder = Path(output) if output else profiling.cache_folder() / "artifacts"
        scenario = profiling.scenario(quick=quick)
        tried = confirm(
            finalists, profile, folder, Path(results), scenario=scenario, emulation=emulation, on_progress=on_progress
        )
        finalists, lost = _kept([(each.point, each.error) for each in tried], budget)
    return _choice(search, finalists, lost)


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

    frontier = tuple(replace(point(index), warnings=()) for index in selection.frontier)
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
        calibrated_on=tuple(sorted(search.describe.calibrated_on)),
        warnings=(*reasons.doubts(picked, search.budget), *_cautions(picked, search.recipes)),
    )


def _rejected(
    search: _Search, picked: Point, known: Callable[[int], Point], already: set[tuple[str, str, int]]
) -> list[Rejected]:
    """Published networks, near misses and ties, each with its reasons.

    Estimates are compared with the pick's own estimate, confirmed values with its confirmed ones.
    """
    describe, selection = search.describe, search.selection
    itself = [index for index in selection.finalists if describe.point(index).key == picked.key]
    basis = {False: describe.point(itself[0]), True: picked}
    groups = [describe.pool.published(), selection.near_misses, selection.ties]
    return [
        Rejected(point=point, reasons=reasons.reasons(point, basis[point.path is not None], search.budget))
        for point in map(known, without_repeats(groups, itself))
        if point.key not in already
    ]


def _cautions(picked: Point, recipes: dict[str, str]) -> list[str]:
    said = ["accuracies are expected from published trainings of such networks, not measured: train the pick to know"]
    if picked.extrapolated:
        said.append("the pick lies beyond all published accuracies: its expected accuracy is a guess")
    if len(recipes) > 1:
        said.append("designs were published with different trainings: accuracies across families are less sure")
    return said
