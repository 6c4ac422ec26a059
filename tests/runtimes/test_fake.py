"""The fake engine: time that is not spent, the same for the same file, seed and process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.runtimes.fake import engine as fake


@pytest.fixture
def spend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns the seconds of load and of the first runs under a behaviour."""

    def run(process: int = 0, runs: int = 4, **behaviour: Any) -> list[float]:
        monkeypatch.setenv("EDGEBENCH_PROCESS", str(process))
        path = tmp_path / "fake.json"
        path.write_text(json.dumps(behaviour))
        begin = fake.clock_ns()
        session = fake.load(str(path))
        times = [fake.clock_ns()]
        for _ in range(runs):
            session.run(np.zeros(session.inputs[0]["shape"], np.float32))
            times.append(fake.clock_ns())
        return [(after - before) / 1e9 for before, after in zip([begin, *times], times, strict=False)]

    return run


def test_time_is_what_the_file_says(spend: Any) -> None:
    assert spend(load_s=1.5, first_s=0.5, latency_s=[0.1, 0.2]) == [1.5, 0.5, 0.1, 0.2, 0.1]


def test_latency_can_grow(spend: Any) -> None:
    assert spend(latency_s=[1.0], growth=0.5)[2:] == [1.5, 2.0, 2.5]


def test_noise_is_repeatable_and_differs_by_process(spend: Any) -> None:
    noisy = {"noise": 0.1, "process_noise": 0.1, "seed": 7}
    assert spend(**noisy) == spend(**noisy)
    assert spend(**noisy) != spend(process=1, **noisy)
    assert spend(**noisy) != spend(**{**noisy, "seed": 8})


def test_a_real_one_sleeps(spend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(fake.time, "sleep", slept.append)
    monkeypatch.setattr(fake, "_real", False)
    spend(real=True, load_s=0.25, first_s=0.5, latency_s=[0.125], runs=2)
    assert slept == [0.25, 0.5, 0.125]


def test_failures_come_where_the_file_puts_them(spend: Any) -> None:
    with pytest.raises(RuntimeError, match="told to raise"):
        spend(fail={"load": "raise"})
    with pytest.raises(RuntimeError, match="told to raise"):
        spend(fail={"3": "raise"})
    assert len(spend(fail={"4": "raise"})) == 5
    with pytest.raises(ValueError, match="unknown way to fail: trip"):
        spend(fail={"0": "trip"})


def test_a_field_that_is_not_one_is_refused(spend: Any) -> None:
    with pytest.raises(TypeError, match="latency_ms"):
        spend(latency_ms=3)
