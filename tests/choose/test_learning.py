"""What the prior learns from trainings: a known offset and slope are found again, and doubt shows in the interval."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.choose.learning import Learned, Training, learn
from edgebench.choose.prior import load, logit, percent
from edgebench.ground.records import Interval
from edgebench.models import resolve

SPEC = resolve("mobilenetv2")


def _reached(expected: float, offset: float, slope: float) -> float:
    return float(percent(offset + slope * logit(np.array([expected])))[0])


def _trainings(
    expected: Sequence[float], offset: float, slope: float, images: int = 10_000, rung: int = 0
) -> list[Training]:
    return [
        Training(
            model=SPEC,
            rung=rung,
            epochs=2 * 2**rung,
            expected=each,
            accuracy=_reached(each, offset, slope),
            images=images,
            classes=10,
        )
        for each in expected
    ]


@given(offset=st.floats(-2, 3), slope=st.floats(0.3, 1.7))
def test_a_known_offset_and_slope_are_found_from_many_trainings(offset: float, slope: float) -> None:
    found = learn("mine", _trainings(np.linspace(35, 80, 60).tolist(), offset, slope))
    assert found.slope == pytest.approx(slope, abs=0.1)
    wanted = np.array([_reached(each, offset, slope) for each in (45.0, 60.0, 75.0)])
    assert found.accuracy(np.array([45.0, 60.0, 75.0])) == pytest.approx(wanted, abs=1.0)


def test_one_training_teaches_the_offset_and_leaves_the_slope() -> None:
    found = learn("mine", _trainings([60.0], 1.0, 1.0))
    assert found.slope == pytest.approx(1.0)
    assert found.offset == pytest.approx(1.0)


def test_longer_trainings_set_the_level_and_short_ones_the_slope() -> None:
    short = _trainings([40.0, 50.0, 60.0, 70.0], -1.0, 0.5)
    long = _trainings([70.0], 1.0, 0.5, rung=1)
    found = learn("mine", [*short, *long])
    assert found.accuracy(np.array([70.0]))[0] == pytest.approx(long[0].accuracy, abs=0.5)
    assert found.slope == pytest.approx(0.5, abs=0.15)


def test_a_negative_slope_becomes_none_and_few_images_widen_the_interval() -> None:
    falling = learn("mine", _trainings(np.linspace(40, 80, 30).tolist(), 0.0, -1.0))
    assert falling.slope == 0.0
    many, few = (learn("mine", _trainings([50.0, 60.0, 70.0], 0.0, 1.0, images)) for images in (100_000, 50))
    assert few.spread > many.spread >= load().within


@pytest.mark.parametrize("accuracy", [0.0, 100.0])
def test_nothing_right_and_nothing_wrong_stay_finite(accuracy: float) -> None:
    only = Training(model=SPEC, rung=0, epochs=1, expected=60.0, accuracy=accuracy, images=100, classes=10)
    found = learn("mine", [only])
    assert np.isfinite(found.offset) and 0 < found.accuracy(np.array([60.0]))[0] < 100


def test_an_interval_is_carried_over() -> None:
    found = Learned(data="mine", trainings=(), offset=1.0, slope=0.5, spread=0.2)
    told = found.interval(Interval(value=60.0, low=58.0, high=62.0, confidence=0.9))
    assert told.low < told.value < told.high
    assert told.value == pytest.approx(_reached(60.0, 1.0, 0.5))


@pytest.mark.parametrize(("accuracy", "images", "guessed"), [(10.0, 400, True), (13.0, 400, True), (20.0, 400, False)])
def test_what_guessing_would_do_as_well_is_known(accuracy: float, images: int, guessed: bool) -> None:
    """One in ten, and a standard error of 1.5 points on 400 images."""
    told = Training(model=SPEC, rung=0, epochs=1, expected=60.0, accuracy=accuracy, images=images, classes=10)
    assert told.is_chance == guessed
