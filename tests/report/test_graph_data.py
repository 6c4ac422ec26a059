"""What Model Explorer is given: values by the tensors of a file, as its package reads them."""

import json
from pathlib import Path

import pytest

import edgebench
from edgebench.ground.errors import UsageError
from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.report import graph_data


def test_times_are_summed_by_name_and_what_fell_back_is_coloured(tmp_path: Path) -> None:
    made = [
        OperatorTime(name="a", kind="Conv", unit="XNNPACK GEMM", time_s=(0.001, 0.003, 0.002)),
        OperatorTime(name="a", kind="Conv", unit="XNNPACK GEMM", time_s=(0.001,)),
        OperatorTime(name="b_nchwc", kind="Conv", unit="XNNPACK GEMM", time_s=(0.004,)),
        OperatorTime(name="c", kind="TopK", unit="TOPK", time_s=(0.005,)),
        OperatorTime(name="counted", kind="Conv", time_s=(), counts={"instructions": 7}),
    ]
    files = graph_data.write(tmp_path, graph_data.of_profile(OperatorProfile(method="m", operators=tuple(made))))
    times, units = (json.loads(path.read_text()) for path in files)
    assert [path.name for path in files] == ["time-ms.json", "ran-by.json"]
    assert times["name"] == "time ms" and [stop["stop"] for stop in times["gradient"]] == [0, 1]
    assert {name: each["value"] for name, each in times["results"].items()} == pytest.approx({"a": 3, "b": 4, "c": 5})
    assert {name for name, each in units["results"].items() if "bgColor" in each} == {"c"}


def test_a_files_tensors_say_what_they_are_computed_in(tmp_path: Path) -> None:
    artifact = edgebench.export("lenet5", format="tflite", output=tmp_path)
    edgebench.inspect(artifact.path, graph_data=tmp_path / "data")
    [written] = (tmp_path / "data").iterdir()
    results = json.loads(written.read_text())["results"]
    assert {"conv1", "conv2"} <= set(results) and {each["value"] for each in results.values()} >= {"fp32"}


def test_times_are_refused_before_anything_runs_where_no_clock_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`per_op` times operators on this machine"):
        edgebench.profile("lenet5", device="rpi4", graph_data=tmp_path / "data")
    with pytest.raises(UsageError, match="`graph_data` is for times"):
        edgebench.profile("lenet5", device="rpi4", via="emulator", graph_data=tmp_path / "data")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        edgebench.profile("lenet5", graph_data=tmp_path / "file")
