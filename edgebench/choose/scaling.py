"""`scale`: the scaling point to ship on a device, and the reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from edgebench.choose.answer import Search, answer, broken_by
from edgebench.choose.budget import Budget, Quantity, parse
from edgebench.choose.confirm import Confirmation, confirm, confirm_on_all, write_sweep
from edgebench.choose.own import Make, Own, by_macs, expected, learn_costs, own
from edgebench.choose.pool import Variant, filled, pool
from edgebench.choose.prior import COMMON_RECIPE, load, logit, percent
from edgebench.choose.proxies import EPOCHS, PROXIES, Request, learned, trainer
from edgebench.choose.records import Choice, Point, Rejected
from edgebench.choose.rounds import settle
from edgebench.choose.scalable import EVERY, bases
from edgebench.choose.selection import FINALISTS
from edgebench.choose.space import BEYOND_PRIOR, WITHIN_PRIOR
from edgebench.choose.ways import ways
from edgebench.ground.errors import ExportError, Regression, UsageError
from edgebench.ground.options import listed, positive
from edgebench.ground.paths import cache_folder
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import ModelSpec
from edgebench.machines import profiles
from edgebench.machines.profiles import DeviceProfile
from edgebench.models import InputSize
from edgebench.models.given import NOTHING, Given
from edgebench.run import engine

DEFAULT_INPUT: Final = InputSize(3, 224, 224)
Giving = Callable[[Sequence[ModelSpec]], Given]
PRECISIONS: Final = ("fp32", "fp16", "int8")


def scale(
    device: str,
    family: str = EVERY,
    *,
    base: str | Make | None = None,
    input: InputSize = DEFAULT_INPUT,
    max_latency: Quantity = None,
    max_memory: Quantity = None,
    max_size: Quantity = None,
    min_accuracy: Quantity = None,
    format: str | Sequence[str] | None = None,
    precision: str | Sequence[str] = "fp32",
    threads: int | Sequence[int] = 1,
    processor: str | None = None,
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
    on_progress: OnProgress = silent,
) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device, or on several.

    `device` is one name, or several with commas, of which the slowest then counts. Limits are text with a unit ("50ms",
    "64MB") or numbers in base units; accuracy is top-1 in percent. With
    `confirmed` the best `finalists` are exported, checked and measured or emulated, and so is what then looks better;
    with `sweep` they are written into that file instead. All families are compared under one `recipe` of training, each
    alone under its own. `base` is a factory to scale in place of a family: see choose.own. options.Scale has the rest.
    Raises UsageError for bad input and a device without the calibration, Regression when nothing keeps the limits (it
    says what would), ExportError when no finalist could be exported.
    """
    positive(finalists, "finalists")
    budget, devices = parse(max_latency, max_memory, max_size, min_accuracy), _devices(device)
    variants = ways(
        format,
        listed(precision, "precision", PRECISIONS),
        (threads,) if isinstance(threads, int) else tuple(threads),
        processor,
        devices,
        exported=confirmed,
        limited=budget.max_memory_bytes is not None,
        data=data,
    )
    factory = None if base is None else own(base, input)
    given = factory.given if factory else _nothing
    on_progress(Step(0, 1, f"searching {factory.name if factory else family} for {device}"))
    if factory:
        search = _own_search(factory, devices, budget, variants, finalists, judged=data is not None, tell=on_progress)
    else:
        search = _search(devices, family, budget, variants, recipe, extrapolate, finalists)
    if data is not None:
        search = _taught(search, Request(data, proxies, proxy_epochs), given, on_progress)
    if not confirmed or sweep is not None:
        points = [search.describe.point(index) for index in search.selection.finalists]
        if sweep is not None:
            write_sweep(Path(sweep), points, devices, quick=quick, emulation=emulation)
        return answer(search, points, [])
    folder = Path(output) if output else cache_folder() / "artifacts"
    confirming = partial(confirm, scenario=engine.scenario(quick=quick), emulation=emulation, given=given)
    confirming = partial(confirming, folder=folder, results=Path(results), on_progress=on_progress)
    everywhere = partial(confirm_on_all, devices=devices, confirming=confirming)
    settled = settle(search.pool, budget, search.selection, search.describe.point, everywhere)
    return answer(replace(search, pool=settled.pool), *_kept(settled.tried, budget))


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
    factory: Own,
    devices: Sequence[DeviceProfile],
    budget: Budget,
    variants: Sequence[Variant],
    finalists: int,
    *,
    judged: bool,
    tell: OnProgress,
) -> Search:
    """Costs of what a factory builds; accuracies by the prior of any design where data will correct it."""
    if budget.min_accuracy is not None and not judged:
        raise UsageError("`min_accuracy`: nothing tells how accurate your networks are; give `data` to learn it")
    began = time.perf_counter()
    costs = learn_costs(factory, tell)
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
        finalists=finalists,
        recipes={},
        seconds=time.perf_counter() - began,
        notes=(
            f"costs are learned from {costs.built} networks that were built; one more a depth differed from that by "
            f"{costs.off:.1%} in MACs at most",
        ),
    )


def _search(
    devices: Sequence[DeviceProfile],
    family: str,
    budget: Budget,
    variants: Sequence[Variant],
    recipe: str | None,
    extrapolate: bool,
    finalists: int,
) -> Search:
    """Costs and expected accuracies of every candidate."""
    chosen = bases(family)
    if family == EVERY and recipe is None:
        recipe = COMMON_RECIPE
    began = time.perf_counter()
    extent = BEYOND_PRIOR if extrapolate else WITHIN_PRIOR
    return Search(
        pool=pool(chosen, variants, devices, extent=extent, recipe=recipe, extrapolate=extrapolate),
        devices=devices,
        family=family,
        budget=budget,
        extrapolate=extrapolate,
        finalists=finalists,
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
