"""The worker's pass that gives outputs back, in a fresh process here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgebench.ground.records import Artifact, Scenario
from edgebench.places.local import LocalTarget
from edgebench.places.target import Outputs, OutputsJob


def test_every_input_gives_one_output(fake_artifact: Callable[..., Artifact], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 3, 8, 8), np.float32))
    job = OutputsJob(
        runtime="fake",
        artifact=fake_artifact().path,
        scenario=Scenario(processes=1),
        mode="outputs",
        input=str(tmp_path / "x.npy"),
    )
    found = [event for event in LocalTarget().run(job) if isinstance(event, Outputs)]
    assert [event.shape for event in found] == [[1, 10]] * 3
    assert np.array_equal(np.frombuffer(found[0].data, found[0].dtype), np.zeros(10))
