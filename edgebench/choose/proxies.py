"""Trains a few networks on one's own data, so that the prior's accuracies become those of this data.

Successive halving: every proxy is trained for a few epochs, the better half for twice as many, and so on. Which
networks are proxies is the sampler's choice: first some along the frontier, then what Optuna proposes. Each training
lies in the cache by what it is of, so that an interrupted search goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edgebench import data as datasets
from edgebench.choose.budget import Budget, feasible
from edgebench.choose.frontier import frontier
from edgebench.choose.learning import Learned, Training, learn
from edgebench.choose.pool import Pool
from edgebench.choose.prior import Mask
from edgebench.choose.sampling import sample
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import OnProgress, Step
from edgebench.ground.records import ModelSpec, identity

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
    limits = Budget(
        max_latency_s=budget.max_latency_s,
        max_memory_bytes=budget.max_memory_bytes,
        max_size_bytes=budget.max_size_bytes,
    )
    fits = feasible(limits, columns.quantities())
    if not fits.any():
        raise UsageError("no network keeps the limits: there is nothing to train")
    found: list[Training] = []

    def measure(index: int, rung: int = 0) -> float:
        epochs = request.epochs * 2**rung
        accuracy, images, classes = train(pool.spec(index), epochs)
        found.append(
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
    return learn(request.data, found)


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
    found = sample(space, allowed, latency, lambda at: measure(back[at]), trials=proxies, first=asked)
    return {back[at]: accuracy for at, accuracy in found.items()}


def trainer(data: str, folder: Path, on_progress: OnProgress) -> Train:
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
            TrainingRequest(spec, data, settings, place, resume=(place / "last.pt").exists()),
            lambda step: on_progress(Step(step.done, step.total, title, step.detail)),
        )
        return 100 * outcome.val_accuracy, outcome.val_images, len(outcome.classes)

    return train
