"""Proxies: which networks are trained for how long, with a trainer that only pretends; and one real training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebench.api import scale as choose
from edgebench.choose import scaling
from edgebench.choose.budget import Budget
from edgebench.choose.pool import Pool, Variant, pool
from edgebench.choose.prior import logit, percent
from edgebench.choose.proxies import Request, learned, sample, trainer
from edgebench.choose.scalable import BASES, bases
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.machines.profiles import load
from edgebench.models import resolve

pytest.importorskip("optuna")

BUDGET = Budget(max_latency_s=0.03, min_accuracy=99.0)
OFFSET, SLOPE = 1.0, 0.6


@pytest.fixture(scope="module")
def found() -> Pool:
    variants = [Variant(ExportSpec(), threads) for threads in (1, 4)]
    return pool(bases("mobilenetv1"), variants, [load("rpi4")], extent=WITHIN_PRIOR)


class Pretended:
    """Gives every network what a known offset and slope make of its expected accuracy, and more for more epochs."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, spec: ModelSpec, epochs: int) -> tuple[float, int, int]:
        self.asked.append((spec.key, epochs))
        expected = _expected(spec)
        return float(percent(OFFSET - 1 / epochs + SLOPE * logit(np.array([expected])))[0]), 5000, 10


def _expected(spec: ModelSpec) -> float:
    from edgebench.choose.prior import accuracy
    from edgebench.choose.scalable import BASES

    base = BASES["mobilenetv1"]
    point = (base.real_width(spec.width), base.real_depth(spec.depth), spec.resolution)
    return float(accuracy("mobilenetv1", *(np.array([float(each)]) for each in point)).top1[0])


def test_the_better_half_is_trained_for_twice_as_long(found: Pool) -> None:
    train = Pretended()
    told = learned(found, BUDGET, Request("mine", proxies=6, epochs=2), train)
    assert [epochs for _, epochs in train.asked] == [2] * 6 + [4] * 3 + [8]
    assert len({key for key, epochs in train.asked if epochs == 2}) == 6
    best = sorted((each for each in told.trainings if each.rung == 0), key=lambda each: -each.accuracy)[:3]
    assert {each.model.key for each in best} == {key for key, epochs in train.asked if epochs == 4}
    assert told.slope == pytest.approx(SLOPE, abs=0.25)
    assert told.accuracy(np.array([68.0]))[0] == pytest.approx(
        float(percent(OFFSET - 1 / 8 + SLOPE * logit(np.array([68.0])))[0]), abs=2.0
    )


def test_proxies_keep_the_limits_but_a_least_accuracy(found: Pool) -> None:
    train = Pretended()
    told = learned(found, BUDGET, Request("mine", proxies=3), train)
    fits = found.columns.latency <= 0.03
    allowed = {found.spec(index).key for index in np.flatnonzero(fits).tolist()}
    assert {each.model.key for each in told.trainings} <= allowed
    with pytest.raises(UsageError, match="nothing to train"):
        learned(found, Budget(max_latency_s=1e-6), Request("mine"), train)


@pytest.mark.parametrize(("number", "epochs", "option"), [(0, 2, "`proxies`"), (3, 0, "`proxy_epochs`")])
def test_counts_below_one_are_refused(number: int, epochs: int, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is 0"):
        Request("mine", number, epochs)


def test_the_choice_says_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "trainer", lambda *_: Pretended())
    told = choose("rpi4", "mobilenetv1", max_latency="30ms", data="mine", confirmed=False, proxies=4)
    plain = choose("rpi4", "mobilenetv1", max_latency="30ms", confirmed=False)
    assert told.learned is not None and told.learned.data == "mine"
    assert told.picked.accuracy.value == pytest.approx(
        told.learned.accuracy(np.array([plain.picked.accuracy.value]))[0], abs=0.01
    )
    assert told.picked.model == plain.picked.model
    assert any("accuracies are expected on mine" in warning for warning in told.warnings)


def test_a_data_set_that_is_not_there_is_refused_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        choose("rpi4", "mobilenetv1", max_latency="30ms", data=str(tmp_path / "gone"), confirmed=False)


def test_a_real_training_is_found_again(tmp_path: Path) -> None:
    steps: list[str] = []
    data = "synthetic:shapes?size=32&classes=2&images=24"
    train = trainer(data, tmp_path, lambda step: steps.append(step.title))
    spec = resolve("mobilenetv1", width=0.25, resolution=32)
    first = train(spec, 1)
    assert first[1] > 0 and 0 <= first[0] <= 100 and first[2] == 2
    before = len(list(tmp_path.rglob("*")))
    assert train(spec, 1) == first
    assert len(list(tmp_path.rglob("*"))) == before
    assert any("for 1 epochs" in step for step in steps)


pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def everything() -> Pool:
    variant = Variant(ExportSpec(), 1)
    return pool([BASES["mobilenetv1"]], [variant], [load("rpi4")], extent=WITHIN_PRIOR, extrapolate=True)


def test_few_measurements_find_nearly_the_best(everything: Pool) -> None:
    columns = everything.columns
    fits = columns.latency <= 0.06
    measured: list[int] = []

    def measure(index: int) -> float:
        measured.append(index)
        return float(columns.accuracy[index])

    first = int(np.flatnonzero(fits)[np.argmax(columns.latency[fits])])
    got = sample(everything.spaces[0], fits, columns.latency, measure, trials=40, first=[first])
    assert measured[0] == first
    assert len(measured) == len(set(measured)) == len(got) == 40
    assert all(fits[index] for index in got)
    assert max(got.values()) > columns.accuracy[fits].max() - 1.5


def test_the_same_seed_measures_the_same_points(everything: Pool) -> None:
    columns = everything.columns
    fits = columns.latency <= 0.06
    runs = [
        list(sample(everything.spaces[0], fits, columns.latency, lambda index: float(index % 7), trials=12, seed=3))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_nothing_allowed_is_said(everything: Pool) -> None:
    columns = everything.columns
    with pytest.raises(UsageError, match="nothing to measure"):
        sample(everything.spaces[0], columns.latency < 0, columns.latency, lambda _: 0.0, trials=3)
