"""Trains a few networks on one's own data, so that the prior's accuracies become those of this data.

Successive halving: every proxy is trained for a few epochs, the better half for twice as many, and so on. Which
networks are proxies is the sampler's choice: first some along the frontier, then what Optuna proposes. Each training
lies in the cache by what it is of, so that an interrupted search goes on where it was.

Latency, memory and size of every candidate are known at once, so only accuracy is sampled. Optuna's multi-objective
TPE proposes a width, a depth, and how far to stay below the highest resolution that keeps the limits there: nearly
every proposal is then a network that may be chosen.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec.structs import replace

from edgebench import data as datasets
from edgebench.choose.budget import Budget, feasible
from edgebench.choose.learning import Learned, Training, learn
from edgebench.choose.pool import Pool
from edgebench.choose.prior import Floats, Mask
from edgebench.choose.selection import frontier
from edgebench.choose.space import Space
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.progress import OnProgress, Step
from edgebench.ground.records import ModelSpec, identity
from edgebench.models.given import NOTHING, Given

if TYPE_CHECKING:
    from optuna import Study

PROXIES: Final = 6
EPOCHS: Final = 2
_FEWEST: Final = 2  # networks on the last rung

Train = Callable[[ModelSpec, int], tuple[float, int, int]]
"""Trains a network for some epochs; returns its top-1 in percent, the number of validation images, and of classes."""


@dataclass(frozen=True)
class Request:
    """The data set, how many networks are trained on it, and for how many epochs at first."""

    data: str
    proxies: int = PROXIES
    epochs: int = EPOCHS

    def __post_init__(self) -> None:
        for name, value in (("`proxies`", self.proxies), ("`proxy_epochs`", self.epochs)):
            if value < 1:
                raise UsageError(f"{name} is {value}; it must be 1 or more")


def learned(pool: Pool, budget: Budget, request: Request, train: Train) -> Learned:
    """Trains proxies among the candidates that keep the limits, and returns what the prior learns from them.

    A least accuracy limits nothing here: what the data give is not known yet. Raises UsageError when no candidate keeps
    the other limits, MissingPackage without optuna.
    """
    columns = pool.columns
    fits = feasible(replace(budget, min_accuracy=None), columns.quantities())
    if not fits.any():
        raise UsageError("no network keeps the limits: there is nothing to train")
    trainings: list[Training] = []

    def measure(index: int, rung: int = 0) -> float:
        epochs = request.epochs * 2**rung
        accuracy, images, classes = train(pool.spec(index), epochs)
        trainings.append(
            Training(
                model=pool.spec(index),
                rung=rung,
                epochs=epochs,
                expected=float(columns.accuracy[index]),
                accuracy=accuracy,
                images=images,
                classes=classes,
            )
        )
        return accuracy

    first = _first(pool, fits, request.proxies)
    reached = _sampled(pool, fits, first, request.proxies, measure)
    rung = 0
    while len(reached) > _FEWEST:
        rung += 1
        better = sorted(reached, key=lambda index: -reached[index])[: len(reached) // 2]
        reached = {index: measure(index, rung) for index in better}
    return learn(request.data, trainings)


def _first(pool: Pool, fits: Mask, proxies: int) -> list[int]:
    """Half of the proxies, along the frontier of those that fit: from the best expected one downwards."""
    columns, among = pool.columns, np.flatnonzero(fits)
    best = among[frontier(columns.accuracy[among], columns.latency[among], np.zeros(len(among)))]
    count = min(len(best), max(1, (proxies + 1) // 2))
    return [int(best[position]) for position in np.linspace(len(best) - 1, 0, count + 1).round().astype(int)[:count]]


def _sampled(
    pool: Pool, fits: Mask, first: Sequence[int], proxies: int, measure: Callable[[int], float]
) -> dict[int, float]:
    """Measures on the first rung, by index: in the space and the variant that the best expected candidate has."""
    columns = pool.columns
    here = (columns.space == columns.space[first[0]]) & (columns.variant == columns.variant[first[0]])
    space, indices = pool.spaces[int(columns.space[first[0]])], np.flatnonzero(here)
    position = columns.position[indices]
    allowed = np.zeros(len(space), dtype=bool)
    allowed[position] = fits[indices]
    latency = np.zeros(len(space))
    latency[position] = columns.latency[indices]
    back = dict(zip(position.tolist(), indices.tolist(), strict=True))
    asked = [int(columns.position[index]) for index in first if here[index]]
    reached = sample(space, allowed, latency, lambda at: measure(back[at]), trials=proxies, first=asked)
    return {back[at]: accuracy for at, accuracy in reached.items()}


def trainer(
    data: str, folder: Path, on_progress: OnProgress, given: Callable[[Sequence[ModelSpec]], Given] = lambda _: NOTHING
) -> Train:
    """Trains by edgebench.training into `folder`, once for each network, number of epochs and content of the data.

    Raises UsageError for a data set that cannot be read.
    """
    contents = datasets.load(data, split="train").identity

    def train(spec: ModelSpec, epochs: int) -> tuple[float, int, int]:
        from edgebench.training.run import TrainingRequest
        from edgebench.training.run import train as run
        from edgebench.training.settings import Settings

        place = folder / identity(contents, spec, epochs)
        settings = Settings(epochs=epochs, warmup=min(1.0, epochs / 4))
        title = f"training {spec.key} for {epochs} epochs"
        outcome = run(
            TrainingRequest(spec, data, settings, place, given([spec]), resume=(place / "last.pt").exists()),
            lambda step: on_progress(Step(step.done, step.total, title, step.detail)),
        )
        return 100 * outcome.val_accuracy, outcome.val_images, len(outcome.classes)

    return train


_BELOW: Final = 4  # resolutions below the highest that fits, at most
_PROPOSALS: Final = 20  # proposals for each measurement; the others were measured before, or no resolution fits them


def sample(
    space: Space,
    fits: Mask,
    latency_s: Floats,
    measure: Callable[[int], float],
    *,
    trials: int,
    first: Sequence[int] = (),
    seed: int = 0,
) -> dict[int, float]:
    """Measures the accuracy of at most `trials` different points that `fits` allows; returns it by position.

    `measure` takes a position of the space's points; `first` are measured before anything is proposed, such as the
    frontier by the prior. The proposals aim at high accuracy and low latency. Raises MissingPackage without optuna and
    UsageError when no point is allowed.
    """
    if not fits.any():
        raise UsageError("no network keeps the limits: nothing to measure")
    optuna, study = _study(seed)
    ladders = _ladders(space, fits)
    # Grid indices in the order of their values, so that neighbours are alike.
    widths = sorted({width for width, _ in ladders}, key=space.grid.widths.__getitem__)
    depths = sorted({depth for _, depth in ladders}, key=space.grid.depths.__getitem__)
    for index in first:
        place = int(space.points.width[index]), int(space.points.depth[index])
        below = min(ladders[place].index(index), _BELOW)
        study.enqueue_trial({"w": widths.index(place[0]), "d": depths.index(place[1]), "below": below})
    measured: dict[int, float] = {}
    for _ in range(trials * _PROPOSALS):
        if len(measured) == min(trials, int(fits.sum())):
            break
        trial = study.ask()
        width, depth = (trial.suggest_int(name, 0, len(each) - 1) for name, each in (("w", widths), ("d", depths)))
        below = trial.suggest_int("below", 0, _BELOW)
        ladder = ladders.get((widths[width], depths[depth]))
        if ladder is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        index = ladder[min(below, len(ladder) - 1)]
        if index not in measured:
            measured[index] = measure(index)
        study.tell(trial, [measured[index], float(latency_s[index])])
    return measured


def _ladders(space: Space, fits: Mask) -> dict[tuple[int, int], list[int]]:
    """For each (width, depth) of the grid the positions that fit, the highest resolution first."""
    points, pixels = space.points, np.array(space.grid.resolutions)
    among = np.flatnonzero(fits)
    ladders: dict[tuple[int, int], list[int]] = {}
    for index in among[np.argsort(-pixels[points.resolution[among]], kind="stable")].tolist():
        ladders.setdefault((int(points.width[index]), int(points.depth[index])), []).append(index)
    return ladders


def _study(seed: int) -> tuple[ModuleType, Study]:
    try:
        optuna = importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        raise MissingPackage("optuna", "search", "searching with measured accuracies") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=8)
    return optuna, optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
