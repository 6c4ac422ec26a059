"""The real engines under the real worker, for a few milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Scenario
from edgebench.measure import measure, worker

SCENARIO = Scenario(processes=2, warmup_runs=2, warmup_s=0.001, min_runs=5, min_s=0.001, max_s=5.0)


def artifact(path: str, format: Literal["tflite", "onnx", "torch"]) -> Artifact:
    return Artifact(
        model=ModelSpec(name="tiny", family="file"),
        export=ExportSpec(format=format),
        path=path,
        sha256="",
        size_bytes=Path(path).stat().st_size,
        inputs=(),
        outputs=(),
    )


def check(path: str, format: Literal["tflite", "onnx", "torch"], runtime: str, scenario: Scenario = SCENARIO) -> None:
    found = measure(artifact(path, format), runtime, scenario)
    assert (found.status, found.error) == ("ok", None)
    assert len(found.latency_s) == len(found.load_s) == len(found.first_s) == scenario.processes
    assert all(len(samples) >= 5 and min(samples) > 0 for samples in found.latency_s)
    assert found.runtime_version
    assert found.environment["engine"]["delegates"] == (1 if runtime == "litert" else None)
    if worker.CLEAR_REFS.exists():
        assert list(found.memory_bytes) == ["baseline", "load", "first", "steady"]
        assert 0 < (found.peak_memory_bytes or 0) < 500e6


def test_a_tflite_file_is_measured(tflite_file: Callable[..., str]) -> None:
    check(tflite_file(), "tflite", "litert")


def test_an_onnx_file_is_measured(onnx_file: Callable[..., str]) -> None:
    check(onnx_file(), "onnx", "onnxruntime")


def test_an_exported_program_is_measured(torch_file: str) -> None:
    check(torch_file, "torch", "torch", replace(SCENARIO, processes=1))  # importing torch takes seconds


@pytest.mark.parametrize(("content", "says"), [("this is text", "InvalidProtobuf"), ("", "raised")])
def test_a_file_that_is_no_network_fails_in_one_sentence(tmp_path: Path, content: str, says: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'edgebench[onnx]'")
    path = tmp_path / "text.onnx"
    path.write_text(content)
    found = measure(artifact(str(path), "onnx"), "onnxruntime", SCENARIO)
    assert found.status == "failed"
    assert found.error is not None and says in found.error and "\n" not in found.error


def test_the_second_input_of_a_file_is_zeros(onnx_file: Callable[..., str]) -> None:
    check(onnx_file(inputs=2), "onnx", "onnxruntime")
