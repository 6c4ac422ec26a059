"""Per-operator times: what the engines' profilers give, on small files that edgebench itself exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from edgebench import models
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import QUICK, Artifact, ExportSpec, Measurement, ModelSpec, OperatorProfile
from edgebench.measure.operators import profile_operators, with_operators

NEEDS = {
    "tflite": "ai_edge_litert", "onnx": "onnxruntime", "torch": "torch", "mnn": "MNN", "executorch": "executorch",
}  # fmt: skip
RUNTIMES = {"tflite": "litert", "onnx": "onnxruntime", "torch": "torch", "mnn": "mnn", "executorch": "executorch"}
RUNS = 8


Profiled = tuple[Artifact, OperatorProfile]


@pytest.fixture(scope="module")
def profiled_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Profiled]:
    @cache
    def export_and_profile(form: str) -> Profiled:
        from edgebench.formats.pipeline import export_model

        pytest.importorskip(NEEDS[form], reason=f"needs {NEEDS[form]}")
        small = models.resolve("mobilenetv2", width=0.35, resolution=96)
        artifact = export_model(small, ExportSpec(format=form), tmp_path_factory.mktemp("operators"))
        return artifact, profile_operators(artifact, RUNTIMES[form], runs=RUNS)

    return export_and_profile


@pytest.fixture
def profiled(request: pytest.FixtureRequest, profiled_once: Callable[[str], Profiled]) -> Profiled:
    return profiled_once(request.param)


@pytest.mark.parametrize("profiled", RUNTIMES, indirect=True)
def test_every_operator_has_one_time_a_run_and_the_macs_add_up(profiled: Profiled) -> None:
    artifact, profile = profiled
    assert len(profile.operators) >= 50
    assert {len(operator.time_s) for operator in profile.operators} == {RUNS}
    assert len(profile.profiled_s) == len(profile.plain_s) == RUNS
    assert all(time >= 0 for operator in profile.operators for time in operator.time_s)
    counted = sum(operator.macs or 0 for operator in profile.operators)
    # ExecuTorch does not tell which operator of the file is which.
    assert counted == (0 if artifact.export.format == "executorch" else artifact.macs)


@pytest.mark.parametrize("profiled", RUNTIMES, indirect=True)
def test_operators_of_a_run_fit_into_its_inference(profiled: Profiled) -> None:
    _, profile = profiled
    for run, whole in enumerate(profile.profiled_s):
        parts = [operator.time_s[run] for operator in profile.operators]
        # Each time is rounded to a microsecond by three of the five profilers.
        assert 0 < sum(parts) <= whole + 1e-6 * len(parts)


@pytest.mark.parametrize("profiled", ["tflite"], indirect=True)
def test_litert_operators_are_named_as_in_the_file_and_say_which_kernel_ran(profiled: Profiled) -> None:
    _, profile = profiled
    heavy = [operator for operator in profile.operators if operator.macs]
    assert {operator.kind for operator in heavy} == {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert len({operator.name for operator in heavy}) == len(heavy) == 53
    assert all(operator.unit.startswith("XNNPACK ") for operator in heavy)
    assert all(operator.traffic_bytes for operator in heavy)


@pytest.mark.parametrize("profiled", ["onnx"], indirect=True)
def test_the_roof_is_that_of_a_machine(profiled: Profiled) -> None:
    _, profile = profiled
    assert profile.roof_flop_per_s is not None
    assert profile.roof_bytes_per_s is not None
    assert 1e9 < profile.roof_flop_per_s < 1e14
    assert 1e8 < profile.roof_bytes_per_s < 1e13
    busiest = max(profile.operators, key=lambda operator: operator.macs or 0)
    # Kernels and the matrix product run at similar rates; a unit that is wrong by 1000 would not fit.
    assert 0.01 < 2 * (busiest.macs or 0) / median(busiest.time_s) / profile.roof_flop_per_s < 10


def _artifact(path: Path, form: str) -> Artifact:
    return Artifact(
        model=ModelSpec(name="mobilenetv2", family="mobilenetv2"),
        export=ExportSpec(format=form),
        path=str(path),
        sha256="ab" * 32,
        size_bytes=1,
        inputs=(),
        outputs=(),
    )


def test_a_runtime_without_a_profiler_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="executorch, litert, mnn, onnxruntime, openvino, torch"):
        profile_operators(_artifact(tmp_path / "x.mlpackage", "coreml"), "coreml")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runtime litert does not run onnx files; onnxruntime does"):
        profile_operators(_artifact(tmp_path / "x.onnx", "onnx"), "litert")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    with pytest.raises(UsageError, match="is not there"):
        profile_operators(_artifact(tmp_path / "x.onnx", "onnx"), "onnxruntime")


@pytest.mark.parametrize(("form", "runtime"), [("onnx", "onnxruntime"), ("tflite", "litert"), ("mnn", "mnn")])
def test_a_broken_file_is_one_sentence_with_the_engines_own_words(tmp_path: Path, form: str, runtime: str) -> None:
    pytest.importorskip(NEEDS[form], reason=f"needs {NEEDS[form]}")
    path = tmp_path / f"broken.{form}"
    path.write_text("this is text")
    with pytest.raises(DeviceError, match=f"profiling the operators of broken.{form} with {runtime}: .+") as caught:
        profile_operators(_artifact(path, form), runtime)
    assert "\n" not in str(caught.value)


def test_a_profile_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    path = tmp_path / "x.onnx"
    path.write_text("x")
    with pytest.raises(DeviceError, match="took longer than 0 s"):
        profile_operators(_artifact(path, "onnx"), "onnxruntime", timeout_s=0.01)


def test_a_measurement_whose_operators_cannot_be_timed_says_why(tmp_path: Path) -> None:
    measured = Measurement(
        id="a", time="2026-11-30", model=ModelSpec(name="x", family="user"), export=ExportSpec(format="coreml"),
        device="host", runtime="coreml", runtime_version="9.0", scenario=QUICK, warnings=("old",),
    )  # fmt: skip
    found = with_operators(measured, _artifact(tmp_path / "x.mlpackage", "coreml"))
    assert found.operators is None
    assert found.warnings[0] == "old"
    assert found.warnings[1].startswith("the operators were not timed: unknown runtime with an operator profiler")


@pytest.mark.parametrize("profiled", ["onnx"], indirect=True)
def test_a_measurement_carries_its_operators_through_the_store(profiled: Profiled, tmp_path: Path) -> None:
    from edgebench.ground import store

    artifact, profile = profiled
    measured = Measurement(
        id="a", time="2026-11-30", model=artifact.model, export=artifact.export, device="host", runtime="onnxruntime",
        runtime_version="1", scenario=QUICK, operators=profile,
    )  # fmt: skip
    path = store.append(tmp_path, measured)
    assert store.read(path) == [measured]
    assert path.stat().st_size < 120_000


def _node(name: str, start: int, length: int, **arguments: object) -> dict[str, object]:
    defaults = {
        "op_name": "Conv",
        "provider": "CPUExecutionProvider",
        "input_type_shape": [{"float": [1, 3, 8, 8]}, {"float": [4, 3, 3, 3]}],
        "output_type_shape": [{"float": [1, 4, 6, 6]}],
    }
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": length, "args": defaults | arguments}


def _run(start: int) -> dict[str, object]:
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": 90, "args": {}}


def test_onnxruntime_events_become_operators_of_the_last_runs() -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from edgebench.runtimes.onnxruntime.operators import operators

    events = [
        node
        for start in (100, 200, 300)
        for node in (_node("a", start + 5, start // 10), _node("b", start + 50, 7, op_name="Relu"), _run(start))
    ]
    first, second = operators(json.loads(json.dumps(events)), runs=2)
    assert (first.name, first.kind, first.unit) == ("a", "Conv", "CPUExecutionProvider")
    assert first.time_s == pytest.approx((20e-6, 30e-6))
    assert first.start_s == pytest.approx((5e-6, 5e-6))
    assert first.macs == 4 * 6 * 6 * 27
    assert first.traffic_bytes == 4 * (3 * 64 + 4 * 27 + 4 * 36)
    assert second.macs == 0


@pytest.mark.parametrize(
    ("file", "macs", "exact"),
    [
        ([[3, 3, 3, 3]], 3 * 36 * 27, True),  # onnxruntime padded three channels to four
        ([[3, 3, 5, 5]], 4 * 36 * 27, False),  # another kernel: this is not that convolution
        ([], 4 * 36 * 27, False),
    ],
)
def test_macs_are_those_of_the_files_own_weights(file: list[list[int]], macs: int, exact: bool) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from edgebench.runtimes.onnxruntime.operators import nodes, operators, with_weights

    events = [_node("a", 1, 5), _run(0)]
    [found], told = with_weights(operators(events, 1), nodes(events, 1)[-1], file)
    assert (found.macs, told) == (macs, exact)


def test_onnxruntime_inferences_that_differ_are_an_error() -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from edgebench.runtimes.onnxruntime.operators import operators

    with pytest.raises(RuntimeError, match="same nodes"):
        operators([_run(0), _node("a", 1, 1), _run(100)], runs=2)


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "expected"),
    [
        ("Gemm", [[1, 1280], [1000]], [1, 1000], 1_280_000),  # the weight is packed away
        ("MatMul", [[1, 16], [16, 4]], [1, 4], 64),
        ("QLinearConv", [[1, 3, 8, 8], [], [], [4, 3, 3, 3]], [1, 4, 6, 6], 3888),
        ("Conv", [[1, 3, 8, 8]], [1, 4, 6, 6], None),
        ("ConvTranspose", [[1, 3, 8, 8], [3, 4, 3, 3]], [1, 4, 10, 10], None),
        ("Relu", [[1, 3]], [1, 3], 0),
    ],
)
def test_macs_of_onnx_nodes(kind: str, inputs: list[list[int]], output: list[int], expected: int | None) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from edgebench.runtimes.onnxruntime.operators import macs

    assert macs(kind, inputs, [output]) == expected


def test_xnnpack_tags_are_matched_in_order_and_only_where_the_numbers_agree() -> None:
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")
    from edgebench.runtimes.litert.operators import FileOperator, match

    file = [
        FileOperator(name, kind, 1, 1)
        for name, kind in (
            ("pad", "PAD"),  # XNNPACK folds it into the convolution after it
            ("first", "CONV_2D"),
            ("second", "DEPTHWISE_CONV_2D"),
            ("one", "ADD"),
            ("two", "ADD"),
            ("last", "FULLY_CONNECTED"),
            ("sign", "SIGN"),
        )
    ]
    tags = [
        "Convolution (NHWC, F32) IGEMM",
        "Convolution (NHWC, F32) DWConv",
        "Add (ND)",
        "Fully Connected (NC, F32) GEMM",
        "SIGN",
    ]
    names = [found.name if found else None for found in match(tags, file)]
    assert names == ["first", "second", None, "last", "sign"]


def test_litert_runs_with_different_operators_are_an_error() -> None:
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")
    from edgebench.runtimes.litert.api import Event
    from edgebench.runtimes.litert.operators import DELEGATE_OPERATOR, INVOKE, operators

    invoke, add = Event(INVOKE, 1, 1e-3), Event("Add (ND)", DELEGATE_OPERATOR, 1e-6)
    assert len(operators([invoke, add, invoke, add], [])) == 1
    with pytest.raises(RuntimeError, match="same operators"):
        operators([invoke, add, invoke], [])
