"""Results as edgebench stores them, made by hand; every test says only what it is about."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgebench.ground import store
from edgebench.ground.records import Estimate, ExportSpec, Interval, Measurement, ModelSpec, Parity, Result, Scenario

Samples = tuple[tuple[float, ...], ...]


@pytest.fixture
def samples() -> Callable[..., Samples]:
    """Processes of a network: `middle` seconds, log-normal noise between processes and between runs."""

    def make(
        middle: float = 0.007,
        *,
        processes: int = 10,
        noise: float = 0.01,
        within: float = 0.01,
        runs: int = 40,
        seed: int = 0,
    ) -> Samples:
        chance = random.Random(seed)
        return tuple(
            tuple(middle * chance.lognormvariate(0, within) * factor for _ in range(runs))
            for factor in [chance.lognormvariate(0, noise) for _ in range(processes)]
        )

    return make


@pytest.fixture
def measured(samples: Callable[..., Samples]) -> Callable[..., Measurement]:
    """A Measurement of mobilenetv2 on host; `middle` and `seed` shape its latency, other names are its fields."""

    def make(
        model: str = "mobilenetv2", *, middle: float = 0.007, seed: int = 0, processes: int = 10, **changes: Any
    ) -> Measurement:
        latency = samples(middle, processes=processes, seed=seed)
        made = Measurement(
            id=f"{seed:016x}",
            time="2026-11-21T03:00:00+00:00",
            model=ModelSpec(name=model, family=model),
            export=ExportSpec(format="tflite"),
            device="host",
            runtime="litert",
            runtime_version="2.3.0",
            scenario=Scenario(processes=processes),
            latency_s=latency,
            load_s=tuple(process[0] * 4 for process in latency),
            first_s=tuple(process[0] * 2 for process in latency),
            memory_bytes={"baseline": 40_000_000, "load": 60_000_000, "first": 70_000_000, "steady": 65_000_000},
            artifact_sha256="a" * 64,
            size_bytes=14_000_000,
            parity=Parity(
                inputs=3,
                max_abs_error=1e-6,
                output_range=1,
                relative_l2_error=2e-6,
                gate="fp32",
                passed=True,
                evaluated_by="x",
            ),
            environment={
                "machine": "1a2b3c4d",
                "cpu": "EPYC",
                "cores": 2,
                "load_1m": 0.2,
                "versions": {"numpy": "2.4.6"},
            },
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def estimated() -> Callable[..., Estimate]:
    """An Estimate of mobilenetv2 on rpi4."""

    def make(model: str = "mobilenetv2", *, value: float = 0.08, **changes: Any) -> Estimate:
        made = Estimate(
            id="e" * 16,
            time="2026-11-21T03:00:00+00:00",
            model=ModelSpec(name=model, family=model),
            export=ExportSpec(format="tflite"),
            device="rpi4",
            runtime="litert",
            latency_s=Interval(value=value, low=value * 0.9, high=value * 1.1, confidence=0.9),
            size_bytes=14_000_000,
            calibrated_on="fit 1",
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """Writes results into a folder of that name, as `edgebench profile` does, and returns the folder."""

    def write(name: str, *results: Result) -> Path:
        for result in results:
            store.append(tmp_path / name / result.device, result)
        return tmp_path / name

    return write
