"""What top-1 loses: by hand on predictions that are given, and what float layers cost by the estimate."""

import numpy as np
import pytest

from edgebench.data import Dataset
from edgebench.formats.quantize.judge import Judge, judged, latency_ratio, told
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Quantization
from edgebench.models import resolve
from edgebench.models.sketch import sketch
from edgebench.run import plan
from edgebench.run.options import Judged

CLASSES = 4
IMAGES = 40


class Grey:
    """Images whose grey says which they are."""

    def pixels(self, index):
        return np.full((8, 8, 3), index, np.uint8)

    def where(self, index):
        return str(index)

    def contents(self, indices):
        return map(str, indices)


def judge(wrong=()):
    """A judge whose network is right on all images but those in `wrong`."""
    labels = np.arange(IMAGES) % CLASSES
    images = Dataset("grey", "grey", "val", tuple("abcd"), labels, Grey(), np.arange(IMAGES))
    spec = ModelSpec(name="net", family="file", resolution=8)
    return Judge(images, None, spec, labels, CLASSES, saying(wrong))


def saying(wrong):
    """What tells the class of an image, and another one of those in `wrong`; further values are another output's."""

    def run(x):
        index = round(float(x.mean()) * 255)
        return np.append(np.eye(CLASSES)[(index + (index in wrong)) % CLASSES], 9.0)[None]

    return run


@pytest.mark.parametrize(
    ("network", "file", "points"),
    [((), (), 0.0), ((), (1, 2), 5.0), ((1,), (1, 2), 2.5), ((1, 2), (3,), -2.5), ((1,), (2,), 0.0)],
)
def test_the_drop_counts_images_on_which_one_of_both_is_right(network, file, points):
    drop = judge(network).drop(saying(file))
    assert drop.value == pytest.approx(points)
    assert drop.low <= drop.value <= drop.high
    assert drop.high - drop.low > 0


def test_more_images_that_differ_alike_leave_less_doubt_of_the_sign():
    few, many = judge().drop(saying((1,))), judge().drop(saying(range(10)))
    assert few.low < 0 < many.low


def test_it_says_what_the_images_cannot_tell():
    own = judge()
    none = own.drop(saying(()))
    said = told(own, [], none, none, None, 0.5)
    assert said.startswith("top-1 on grey (40 images) is PyTorch's less 0.0 (-8.8 to 8.8) points; so few images")
    some = own.drop(saying((1, 2)))
    assert "1 layers stay float (a)" in told(own, ["a"], none, some, 1.04, 10)
    assert "1.04 times as slow" in told(own, ["a"], none, some, 1.04, 10)
    assert "`max_drop` 0.5 is not met" in told(own, ["a"], some, some, None, 0.5)


def test_float_layers_cost_what_the_estimate_says():
    graph = sketch(resolve("mobilenetv2"))
    everything = [each.name for each in graph.operators]
    alone = latency_ratio(graph, ["features.0.0"], "litert")
    assert alone is not None and 1 < alone < latency_ratio(graph, everything, "litert")
    assert latency_ratio(graph, [], "litert") == 1
    assert latency_ratio(graph, [], "coreml") is None


def test_a_limit_keeps_a_share_of_the_images():
    assert len(judged(Quantization(judged="synthetic:shapes?images=40", judged_limit=30))) == 30


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"max_drop": "0.5pt"}, "labelled images: name them by `data`"),
        ({"data": "digits"}, "is what `max_drop` is judged on"),
        ({"max_drop": "0.5ms", "data": "digits"}, "'0.5ms' is not a number of points: write a number and one of pt, %"),
        ({"max_drop": 200.0, "data": "digits"}, "`max_drop` is 200: give points"),
        ({"max_drop": "1pt", "data": "digits", "error_budget": 0.1}, "in place of `error_budget`"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, message):
    budget = asked.pop("error_budget", None)
    with pytest.raises(UsageError, match=message):
        plan.quantization("digits", error_budget=budget, judged=Judged(**asked))
