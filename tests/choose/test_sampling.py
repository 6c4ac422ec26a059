"""The sampler on accuracies that are known: it must find nearly the best with few measurements, within the limits."""

import numpy as np
import pytest

from edgebench.choose.pool import Pool, Variant, pool
from edgebench.choose.sampling import sample
from edgebench.choose.scalable import BASES
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def found() -> Pool:
    variant = Variant(ExportSpec(), 1)
    return pool([BASES["mobilenetv1"]], [variant], load("rpi4"), extent=WITHIN_PRIOR, extrapolate=True)


def test_few_measurements_find_nearly_the_best(found: Pool) -> None:
    columns = found.columns
    fits = columns.latency <= 0.06
    measured: list[int] = []

    def measure(index: int) -> float:
        measured.append(index)
        return float(columns.accuracy[index])

    first = int(np.flatnonzero(fits)[np.argmax(columns.latency[fits])])
    got = sample(found.spaces[0], fits, columns.latency, measure, trials=40, first=[first])
    assert measured[0] == first
    assert len(measured) == len(set(measured)) == len(got) == 40
    assert all(fits[index] for index in got)
    assert max(got.values()) > columns.accuracy[fits].max() - 1.5


def test_the_same_seed_measures_the_same_points(found: Pool) -> None:
    columns = found.columns
    fits = columns.latency <= 0.06
    runs = [
        list(sample(found.spaces[0], fits, columns.latency, lambda index: float(index % 7), trials=12, seed=3))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_nothing_allowed_is_said(found: Pool) -> None:
    columns = found.columns
    with pytest.raises(UsageError, match="nothing to measure"):
        sample(found.spaces[0], columns.latency < 0, columns.latency, lambda _: 0.0, trials=3)
