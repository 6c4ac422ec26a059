"""Artifacts for the fake engine, and short scenarios."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Scenario

# In virtual time a scenario of seconds takes milliseconds.
SHORT = Scenario(processes=2, warmup_runs=3, warmup_s=0.01, min_runs=20, min_s=0.05, max_s=2.0)


@pytest.fixture
def scenario() -> Scenario:
    return SHORT


@pytest.fixture
def fake_artifact(tmp_path: Path) -> Callable[..., Artifact]:
    """Writes the behaviour of a fake engine and returns it as a file that was exported."""

    def write(**behaviour: object) -> Artifact:
        path = tmp_path / "fake.json"
        path.write_text(json.dumps(behaviour))
        return Artifact(
            model=ModelSpec(name="mobilenetv2", family="mobilenetv2"),
            export=ExportSpec(format="tflite"),
            path=str(path),
            sha256="ab" * 32,
            size_bytes=path.stat().st_size,
            inputs=(),
            outputs=(),
            parameters=3_504_872,
            macs=300_774_272,
        )

    return write
