"""The pool's columns against the one-network estimate: latency, memory and size of random candidates."""

import numpy as np
import pytest

from edgebench.choose.pool import Describer, Variant, pool
from edgebench.choose.scalable import BASES, bases
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load


@pytest.mark.parametrize(("name", "form", "threads"), [("efficientnet_lite", "tflite", 4), ("mobilenetv2", "ncnn", 1)])
def test_random_candidates_are_estimated_alike(name: str, form: str, threads: int) -> None:
    found = pool([BASES[name]], [Variant(ExportSpec(format=form), threads)], [load("rpi4")], extent=WITHIN_PRIOR)
    describe, columns = Describer(found, [load("rpi4")]), found.columns
    for index in np.random.default_rng(5).integers(0, len(columns), 20).tolist():
        point = describe.point(index)
        assert columns.latency[index] == point.latency_s.value
        assert columns.memory[index] == point.peak_memory_bytes
        assert columns.size[index] == point.size_bytes
        assert columns.accuracy[index] == pytest.approx(point.accuracy.value)


def test_published_networks_keep_their_names() -> None:
    found = pool(bases("resnet"), [Variant(ExportSpec(), 1)], [load("rpi4")], extent=WITHIN_PRIOR)
    names = {found.spec(index).name for index in found.published()}
    assert names == {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}
