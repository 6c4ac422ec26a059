"""Every engine: the same four things, the same answers."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebench.measure.worker as worker
import edgebench.runtimes
from edgebench.ground.registry import FORMATS, RUNTIMES
from edgebench.runtimes import every, libraries, runtime, runtime_of, unavailable
from edgebench.runtimes.litert import engine as litert

HERE = Path(edgebench.runtimes.__file__).parent
IMAGE = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)


def correlate(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A valid convolution, NCHW by (out, height, width, in), written as its definition."""
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape[1:3], axis=(2, 3))
    return np.einsum("nchwij,oijc->nohw", windows, weights)


@pytest.fixture
def expected() -> np.ndarray:
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    return correlate(IMAGE, weights)


def test_onnxruntime_computes_the_network(onnx_file: Callable[..., str], expected: np.ndarray) -> None:
    session = runtime("onnxruntime").load(onnx_file(), 1, 2)
    assert session.inputs == [{"name": "image", "shape": [2, 3, 8, 8], "dtype": "float32"}]
    assert session.outputs[0]["name"] == "logits"
    assert session.delegates is None and session.delegated_share is None
    np.testing.assert_allclose(session.run(IMAGE), np.maximum(expected, 0), rtol=1e-4, atol=1e-4)


def test_litert_computes_the_network(tflite_file: Callable[..., str], expected: np.ndarray) -> None:
    session = runtime("litert").load(tflite_file(), 1, 2)
    assert session.inputs == [{"name": "image", "shape": [2, 8, 8, 3], "dtype": "float32"}]
    assert session.outputs == [{"name": "logits", "shape": [2, 6, 6, 4], "dtype": "float32"}]
    found = session.run(np.ascontiguousarray(IMAGE.transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, rtol=1e-4, atol=1e-4)


def test_torch_computes_the_network(torch_file: str, expected: np.ndarray) -> None:
    session = runtime("torch").load(torch_file)
    assert session.inputs[0]["shape"] == [1, 3, 8, 8]
    assert session.outputs[0]["shape"] == [1, 4, 6, 6]
    np.testing.assert_allclose(session.run(IMAGE[:1]), expected[:1], rtol=1e-4, atol=1e-4)


def test_torch_refuses_a_batch_that_the_file_does_not_have(torch_file: str) -> None:
    with pytest.raises(ValueError, match="fixed to 1, not 2"):
        runtime("torch").load(torch_file, 1, 2)


def test_litert_counts_what_its_delegates_took(tflite_file: Callable[..., str]) -> None:
    load = runtime("litert").load
    whole, parted = load(tflite_file()), load(tflite_file(beyond_xnnpack=True))
    assert (whole.delegates, whole.delegated_share) == (1, 1.0)
    assert (parted.delegates, parted.delegated_share) == (2, pytest.approx(2 / 3))


def operators(*rows: tuple[str, list[int], list[int]]) -> list[dict[str, Any]]:
    return [{"op_name": name, "inputs": inputs, "outputs": outputs} for name, inputs, outputs in rows]


def test_the_delegated_share_stops_at_a_delegates_inputs() -> None:
    share = litert.delegated_share
    chain = [("A", [0], [1]), ("B", [1], [2]), ("C", [2], [3]), ("D", [3], [4])]
    assert share(operators(*chain)) == 0.0
    assert share(operators(*chain, ("DELEGATE", [2], [4]))) == 0.5
    assert share(operators(*chain, ("DELEGATE", [0], [1]), ("DELEGATE", [2], [3]))) == 0.5
    assert share([]) == 0.0


@pytest.mark.parametrize("size", ["height", 8])
def test_onnxruntime_refuses_sizes_that_it_cannot_fill(onnx_file: Callable[..., str], size: str | int) -> None:
    path = onnx_file(size=size) if size == "height" else onnx_file(batch=1)
    with pytest.raises(ValueError, match="only the batch may be dynamic" if size == "height" else "fixed to 1, not 2"):
        runtime("onnxruntime").load(path, 1, 2)


def test_a_dynamic_batch_may_be_unnamed(onnx_file: Callable[..., str]) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    path = onnx_file()
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    onnx.save(model, path)
    assert runtime("onnxruntime").load(path).inputs[0]["shape"] == [1, 3, 8, 8]


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    lines = (HERE / "onnxruntime" / "engine.py").read_text().splitlines()
    assert lines.index('os.environ["ORT_DISABLE_TELEMETRY"] = "1"') < lines.index("import onnxruntime")


PORTABLE = [each.engine_file for each in every() if each.wheel or each.pretends] + [Path(worker.__file__)]


@pytest.mark.parametrize("path", PORTABLE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_copied_to_a_device_stands_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    allowed = set(sys.stdlib_module_names) | {"numpy", *(each.package for each in every())}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        assert {name.partition(".")[0] for name in names} <= allowed


def test_the_registry_knows_each_format_and_its_package() -> None:
    engines = [each for each in every() if each.package]
    assert {runtime_of(form) for form in FORMATS} == {each.name for each in engines}
    assert [each.name for each in every()] == list(RUNTIMES)
    assert {*libraries()} == {"edgebench", "numpy", "onnx", *(each.distribution for each in engines)}


def test_a_runtime_that_is_not_here_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unavailable("fake") is None
    monkeypatch.setattr("edgebench.runtimes.find_spec", lambda package: None)
    sentence = unavailable("litert")
    assert sentence is not None and "ai_edge_litert" in sentence and "pip install 'edgebench[tflite]'" in sentence
    assert runtime("torch").install_hint("torch") == "pip install torch"


@pytest.mark.parametrize(("system", "works"), [("Linux", False), ("Darwin", True)])
def test_coreml_runs_on_a_mac_only(monkeypatch: pytest.MonkeyPatch, system: str, works: bool) -> None:
    monkeypatch.setattr("edgebench.runtimes.platform.system", lambda: system)
    monkeypatch.setattr("edgebench.runtimes.find_spec", lambda package: object())
    assert (unavailable("coreml") is None) == works
