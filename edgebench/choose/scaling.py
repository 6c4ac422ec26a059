"""`scale`: the scaling point to ship on a device, and the reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from edgebench.choose.answer import Search, answer, broken_by
from edgebench.choose.budget import Budget, parse
from edgebench.choose.confirm import Confirmation, confirm, confirm_on_all, write_sweep
from edgebench.choose.own import Own, by_macs, expected, learn_costs, own
from edgebench.choose.pool import Variant, filled, pool
from edgebench.choose.prior import COMMON_RECIPE, load, logit, percent
from edgebench.choose.proxies import Request, learned, trainer
from edgebench.choose.records import Choice, Point, Rejected
from edgebench.choose.rounds import settle
from edgebench.choose.scalable import EVERY, bases
from edgebench.choose.space import BEYOND_PRIOR, WITHIN_PRIOR
from edgebench.choose.ways import ways
from edgebench.ground.errors import ExportError, Regression, UsageError
from edgebench.ground.options import listed, positive, whole_numbers
from edgebench.ground.paths import cache_folder
from edgebench.ground.progress import OnProgress, Step
from edgebench.ground.records import ModelSpec
from edgebench.machines import profiles
from edgebench.machines.profiles import DeviceProfile
from edgebench.models import parse_input
from edgebench.models.given import NOTHING, Given
from edgebench.run import engine
from edgebench.run.options import Scale

Giving = Callable[[Sequence[ModelSpec]], Given]
PRECISIONS: Final = ("fp32", "fp16", "int8")


def scale(asked: Scale) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device, or on several.

    Of several devices the slowest counts. Unless `sweep` is to hold the best few, these are exported, checked and
    measured or emulated, and so is what then looks better. All families are compared under one `recipe` of training,
    each alone under its own. For `base` see choose.own. Raises UsageError for bad input and a device without the
    calibration, Regression when nothing keeps the limits (it says what would), ExportError when no finalist could be
    exported.
    """
    positive(asked.finalists, "finalists")
    budget = parse(asked.max_latency, asked.max_memory, asked.max_size, asked.min_accuracy)
    devices, data = _devices(asked.device), None if asked.data is None else str(asked.data)
    variants = ways(
        asked.format,
        listed(asked.precision, "precision", PRECISIONS),
        whole_numbers(asked.threads, "threads"),
        asked.processor,
        devices,
        exported=asked.confirmed,
        limited=budget.max_memory_bytes is not None,
        data=data,
    )
    factory = None if asked.base is None else own(asked.base, parse_input(asked.input))
    given = factory.given if factory else _nothing
    asked.on_progress(Step(0, 1, f"searching {factory.name if factory else asked.family} for {asked.device}"))
    if factory:
        search = _own_search(asked, factory, devices, budget, variants)
    else:
        search = _search(asked, devices, budget, variants)
    if data is not None:
        search = _taught(search, Request(data, asked.proxies, asked.proxy_epochs), given, asked.on_progress)
    if asked.confirmed and asked.sweep is None:
        return _confirmed(asked, search, given)
    points = [search.describe.point(index) for index in search.selection.finalists]
    if asked.sweep is not None:
        write_sweep(Path(asked.sweep), points, devices, quick=True, emulation=asked.emulation)
    return answer(search, points, [])


def _confirmed(asked: Scale, search: Search, given: Giving) -> Choice:
    """The answer, once the best few are files that were run."""
    confirming = partial(
        confirm,
        scenario=engine.scenario(quick=True),
        emulation=asked.emulation,
        given=given,
        folder=Path(asked.output) if asked.output else cache_folder() / "artifacts",
        results=Path(asked.results),
        on_progress=asked.on_progress,
    )
    everywhere = partial(confirm_on_all, devices=search.devices, confirming=confirming)
    settled = settle(search.pool, search.budget, search.selection, search.describe.point, everywhere)
    return answer(replace(search, pool=settled.pool), *_kept(settled.tried, search.budget))


def _devices(wanted: str) -> list[DeviceProfile]:
    """Those that are named. Raises UsageError for "all"."""
    if wanted == profiles.ALL:
        raise UsageError(
            "`device='all'`: the slowest board of all would decide alone; name the devices that you ship to, such as"
            " rpi4,pixel3"
        )
    return profiles.several(wanted)


def _nothing(_: Sequence[ModelSpec]) -> Given:
    """What a user has given of the zoo's networks."""
    return NOTHING


def _own_search(
    asked: Scale, factory: Own, devices: Sequence[DeviceProfile], budget: Budget, variants: Sequence[Variant]
) -> Search:
    """Costs of what a factory builds; accuracies by the prior of any design where data will correct it."""
    judged = asked.data is not None
    if budget.min_accuracy is not None and not judged:
        raise UsageError("`min_accuracy`: nothing tells how accurate your networks are; give `data` to learn it")
    began = time.perf_counter()
    costs = learn_costs(factory, asked.on_progress)
    found = filled(
        costs.spaces,
        costs.tables,
        variants,
        devices,
        lambda grid, points, macs, _: expected(grid, points) if judged else by_macs(macs),
    )
    return Search(
        pool=replace(found, judged=judged),
        devices=devices,
        family=factory.name,
        budget=budget,
        extrapolate=True,
        finalists=asked.finalists,
        recipes={},
        seconds=time.perf_counter() - began,
        notes=(
            f"costs are learned from {costs.built} networks that were built; one more a depth differed from that by "
            f"{costs.off:.1%} in MACs at most",
        ),
    )


def _search(asked: Scale, devices: Sequence[DeviceProfile], budget: Budget, variants: Sequence[Variant]) -> Search:
    """Costs and expected accuracies of every candidate."""
    chosen, extrapolate = bases(asked.family), asked.extrapolate
    recipe = COMMON_RECIPE if asked.family == EVERY and asked.recipe is None else asked.recipe
    began = time.perf_counter()
    extent = BEYOND_PRIOR if extrapolate else WITHIN_PRIOR
    return Search(
        pool=pool(chosen, variants, devices, extent=extent, recipe=recipe, extrapolate=extrapolate),
        devices=devices,
        family=asked.family,
        budget=budget,
        extrapolate=extrapolate,
        finalists=asked.finalists,
        recipes={base.kin: load().recipe(base.kin, recipe) for base in chosen},
        seconds=time.perf_counter() - began,
    )


def _taught(search: Search, request: Request, given: Giving, on_progress: OnProgress) -> Search:
    """The search with accuracies learned on a data set; their order stays, their distances do not."""
    train = trainer(request.data, cache_folder() / "proxies", on_progress, given)
    learning = learned(search.pool, search.budget, request, train)
    columns = search.pool.columns
    value = learning.accuracy(columns.accuracy)
    low, high = percent(logit(value) - learning.spread), percent(logit(value) + learning.spread)
    columns = replace(columns, accuracy=value, accuracy_low=low, accuracy_high=high)
    return replace(search, pool=replace(search.pool, columns=columns), learned=learning)


def _kept(tried: Sequence[Confirmation], budget: Budget) -> tuple[list[Point], list[Rejected]]:
    """Finalists that have a file and keep the limits with their confirmed values, and those that do not."""
    kept, lost = [], []
    for each in tried:
        broken = [f"not exported: {each.error}"] if each.error else broken_by(each.point, budget)
        if broken:
            lost.append(Rejected(point=each.point, reasons=tuple(f"as a file: {reason}" for reason in broken)))
        else:
            kept.append(each.point)
    if not kept:
        why = "; ".join(f"{each.point.model.key}: {each.reasons[0]}" for each in lost)
        if all(each.error for each in tried):
            raise ExportError(f"no finalist could be exported: {why}")
        raise Regression(f"no finalist keeps the limits once it is a file: {why}; give a little more")
    return kept, lost
