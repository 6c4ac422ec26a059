"""Search where looking at every candidate costs too much: when accuracy is measured by training, not expected.

Latency, memory and size of every candidate are known at once, so only accuracy is sampled. Optuna's multi-objective
TPE proposes a width, a depth, and how far to stay below the highest resolution that keeps the limits there: nearly
every proposal is then a network that may be chosen.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

from edgebench.choose.prior import Floats, Mask
from edgebench.choose.space import Space
from edgebench.ground.errors import MissingPackage, UsageError

if TYPE_CHECKING:
    from optuna import Study

_BELOW: Final = 4  # resolutions below the highest that fits, at most
_PATIENCE: Final = 20  # proposals for each measurement; the others were measured before, or no resolution fits them


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
    optuna = _optuna()
    study = _study(optuna, seed)
    ladders = _ladders(space, fits)
    widths, depths = (_ordered([key[axis] for key in ladders], axis, space) for axis in (0, 1))
    for index in first:
        study.enqueue_trial(_parameters(space, index, ladders, widths, depths))
    found: dict[int, float] = {}
    for _ in range(trials * _PATIENCE):
        if len(found) == min(trials, int(fits.sum())):
            break
        trial = study.ask()
        width, depth = (trial.suggest_int(name, 0, len(each) - 1) for name, each in (("w", widths), ("d", depths)))
        below = trial.suggest_int("below", 0, _BELOW)
        ladder = ladders.get((widths[width], depths[depth]))
        if ladder is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        index = ladder[min(below, len(ladder) - 1)]
        if index not in found:
            found[index] = measure(index)
        study.tell(trial, [found[index], float(latency_s[index])])
    return found


Ladders = dict[tuple[int, int], list[int]]


def _ladders(space: Space, fits: Mask) -> Ladders:
    """For each (width, depth) of the grid the positions that fit, the highest resolution first."""
    points, pixels = space.points, np.array(space.grid.resolutions)
    among = np.flatnonzero(fits)
    found: Ladders = {}
    for index in among[np.argsort(-pixels[points.resolution[among]], kind="stable")].tolist():
        found.setdefault((int(points.width[index]), int(points.depth[index])), []).append(index)
    return found


def _ordered(indices: Sequence[int], axis: int, space: Space) -> list[int]:
    """Different grid indices in the order of their values, so that neighbours are alike."""
    values = (space.grid.widths, space.grid.depths)[axis]
    return sorted(set(indices), key=lambda index: values[index])


def _parameters(
    space: Space, index: int, ladders: Ladders, widths: Sequence[int], depths: Sequence[int]
) -> dict[str, int]:
    width, depth = int(space.points.width[index]), int(space.points.depth[index])
    below = min(ladders[width, depth].index(index), _BELOW)
    return {"w": widths.index(width), "d": depths.index(depth), "below": below}


def _optuna() -> ModuleType:
    try:
        optuna = importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        raise MissingPackage("optuna", "search", "searching with measured accuracies") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _study(optuna: ModuleType, seed: int) -> Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=8)
    study: Study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    return study
