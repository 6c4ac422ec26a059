"""Files in a page of a real Chromium, and what a page cannot do."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import edgebench
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Scenario
from edgebench.places.browser import chromium, npm
from edgebench.places.target import Job, Loaded, Samples
from edgebench.run import pages

needed = pytest.mark.skipif(
    not (chromium.program() and shutil.which("npm")), reason="needs Chromium and npm: apt-get install chromium npm"
)
SCENARIO = Scenario(processes=1, warmup_runs=2, warmup_s=0, min_runs=5, min_s=0, max_s=5)


@needed
@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_a_page_computes_what_the_file_does_and_times_it(form: str, tmp_path: Path) -> None:
    artifact = edgebench.export("lenet5", format=form, output=tmp_path)
    told: list[str] = []
    found = pages.measure_in_page(artifact, pages.runtime_of(form), SCENARIO, pages.target(), told.append)
    assert found.status == "ok" and found.device == "browser", found.error
    assert found.parity is not None and found.parity.passed and found.parity.output_range > 0.01
    assert found.parity.max_abs_error <= 1e-4 * found.parity.output_range
    [samples] = found.latency_s
    assert len(samples) >= 5 and all(each > 0 for each in samples)
    assert {round(each * 1e9) % 100_000 for each in samples} != {0}, "the clock is that of a page that is not isolated"
    assert found.environment["browser"] and found.runtime_version.startswith(("@litertjs/core", "onnxruntime-web"))


@needed
def test_a_failing_page_fails_its_cell_in_a_sentence(tmp_path: Path) -> None:
    artifact = edgebench.export("lenet5", format="onnx", output=tmp_path)
    target = pages.target()
    target._engines["onnxruntime"] = npm.WebEngine(
        tmp_path / "engine.js", npm.Package("onnxruntime-web", "1.30.0", ()), Path.read_bytes
    )
    (tmp_path / "engine.js").write_text("const load = () => { throw new Error('no such thing'); };")
    job = Job(runtime="onnxruntime", artifact=artifact.path, scenario=SCENARIO)
    with pytest.raises(DeviceError, match="the page says: Error: no such thing"):
        [each for each in target.run(job) if isinstance(each, Loaded | Samples)]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"format": "ncnn"}, "a page runs tflite or onnx, not ncnn: ask for one of these"),
        ({"threads": 2}, "a page runs on one thread, and `threads` is 2: leave it out"),
        ({"via": "estimate"}, "`device='browser'` is Chromium on this machine: leave `via` and `connect` out"),
        ({"per_op": True}, "`per_op` times operators on this machine"),
    ],
)
def test_what_a_page_cannot_do_is_refused_before_anything_runs(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        edgebench.profile("lenet5", device="browser", **asked)


def test_without_chromium_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs Chromium, which is not installed: apt-get install chromium"):
        pages.target()


def test_a_file_of_one_image_is_told_so(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from edgebench.formats.tflite.sized import single

    artifact = edgebench.export("lenet5", format="tflite", output=tmp_path)
    [taken] = Interpreter(model_content=single(Path(artifact.path))).get_input_details()
    assert np.array_equal(taken["shape_signature"], taken["shape"])
