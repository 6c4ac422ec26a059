"""Our writer against litert-torch: the same outputs, no more operators, no more time. Run: pytest -m oracle."""

import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from edgebench import models
from edgebench.formats.network import Network
from edgebench.formats.tflite import convert as tflite
from edgebench.ground.records import ExportSpec
from edgebench.models.build import build
from edgebench.runtimes.litert import engine as litert

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # litert-torch's and jax's own, of which there are many
]

NAMES = [*models.FOCUS, "lenet5", "resnet18", "googlenet", "alexnet"]
NOISE = 1.10  # medians of two interleaved files differ by this much on a busy machine, even of the same file


@pytest.fixture(scope="module", params=NAMES)
def pair(request, tmp_path_factory) -> tuple[tuple[Path, int], tuple[Path, int]]:
    """(path, number of operators) of our file and of litert-torch's."""
    pytest.importorskip("litert_torch", reason="needs litert-torch: pip install 'edgebench[oracle]'")
    spec = models.resolve(request.param)
    network = Network(spec, build(spec))
    folder = tmp_path_factory.mktemp("oracle")
    made = []
    for converter in ("default", "litert-torch"):
        path = folder / f"{converter}.tflite"
        made.append((path, sum(tflite.convert(network, ExportSpec(converter=converter), path).operators.values())))
    return made[0], made[1]


def test_same_outputs(pair):
    ours, theirs = (litert.load(str(path)) for path, _ in pair)
    assert ours.inputs[0]["shape"] == theirs.inputs[0]["shape"]
    x = np.random.default_rng(0).standard_normal(ours.inputs[0]["shape"], dtype=np.float32)
    found, expected = ours.run(x), theirs.run(x)
    assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


def test_no_more_operators(pair):
    (_, ours), (_, theirs) = pair
    assert ours <= theirs


def test_no_more_time(pair):
    sessions = [litert.load(str(path)) for path, _ in pair]
    x = np.random.default_rng(0).standard_normal(sessions[0].inputs[0]["shape"], dtype=np.float32)
    times: list[list[float]] = [[], []]
    for turn in range(45):
        for session, seconds in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(x)
            if turn >= 5:
                seconds.append(time.perf_counter() - start)
    assert median(times[0]) <= NOISE * median(times[1])
