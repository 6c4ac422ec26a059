"""Ranks by ratios of the same round, and what cannot be had."""

from pathlib import Path
from typing import Any

import pytest

import edgebench
from edgebench.choose import ranking
from edgebench.ground.errors import EdgebenchWarning, UsageError
from edgebench.ground.records import Artifact, Estimate, ExportSpec, Interval, Measurement, ModelSpec, Scenario
from edgebench.report import ranking as shown
from edgebench.run import engine, plan

SPEC = ModelSpec(name="lenet5", family="lenet")
ROUNDS = (1.0, 3.0, 1.5, 2.0, 1.2)  # what else ran, alike for all


def measured(form: str, base_s: float, *, wobble: float = 0.0, runtime: str = "litert", **more: Any) -> Measurement:
    sign = [(-1) ** number for number in range(len(ROUNDS))]
    times = tuple((base_s * load * (1 + wobble * one),) * 3 for load, one in zip(ROUNDS, sign, strict=True))
    return Measurement(
        id=form, time="2026-01-01T00:00:00", model=SPEC, export=ExportSpec(format=form), runtime=runtime,  # type: ignore[arg-type]
        runtime_version="1", scenario=Scenario(processes=5), latency_s=times, **{"device": "host"} | more,
    )  # fmt: skip


def test_noise_that_all_share_hides_no_difference_and_own_noise_is_a_tie() -> None:
    slow, fast, like = measured("onnx", 1.1e-3), measured("tflite", 1e-3), measured("ncnn", 1.01e-3, wobble=0.05)
    found = ranking.rank([(slow, "s"), (like, "l"), (fast, "f")])
    assert [(each.result.export.format, each.place) for each in found] == [("tflite", 1), ("ncnn", 1), ("onnx", 3)]
    assert found[2].ratio is not None and found[2].ratio.low == pytest.approx(1.1)
    assert found[1].ratio is not None and found[1].ratio.low < 1 < found[1].ratio.high


def test_what_failed_comes_last_and_says_why() -> None:
    failed = measured("onnx", 1e-3, status="failed", error="it crashed")
    found = ranking.rank([(failed, ""), (measured("tflite", 1e-3), "f")])
    assert [each.place for each in found] == [1, None]
    text = "\n".join(str(each) for each in shown.blocks(found))
    assert "! onnx fp32: it crashed" in text


def test_estimates_that_overlap_share_a_place() -> None:
    def estimated(value: float, spread: float) -> Estimate:
        known = Interval(value=value, low=value / spread, high=value * spread)
        return Estimate(
            id="", time="", model=SPEC, export=ExportSpec(), device="rpi4", runtime="litert", latency_s=known
        )

    found = ranking.rank([(estimated(value, 1.2), "") for value in (1.0, 1.1, 2.0)])
    assert [each.place for each in found] == [1, 1, 3]


def test_every_way_is_measured_once_a_round_in_an_order_of_chance(monkeypatch, tmp_path: Path) -> None:
    order: list[tuple[str, int, bool]] = []

    def fake(artifact, runtime, scenario, *, memory=True, **_: object) -> Measurement:
        order.append((artifact.export.format, scenario.threads, memory))
        times = {"tflite": 1e-3, "onnx": 2e-3}[artifact.export.format] / scenario.threads
        return Measurement(
            id=artifact.sha256[:16], time="2026-01-01T00:00:00", model=artifact.model,
            export=artifact.export, device="host", runtime=runtime,
            runtime_version="1", scenario=scenario, latency_s=((times,) * 3,), load_s=(0.1,), size_bytes=1,
        )  # fmt: skip

    monkeypatch.setattr(ranking, "measure", fake)
    monkeypatch.setattr("edgebench.measure.measure", fake)
    found = edgebench.rank_runtimes(
        "lenet5", format="tflite,onnx", precision="fp32", threads="1", rounds=3, results=tmp_path / "results"
    )
    assert [(each.result.export.format, each.place) for each in found] == [("tflite", 1), ("onnx", 2)]
    assert len(order) == 6 and [memory for *_, memory in order] == [True] * 2 + [False] * 4
    assert found[0].result.scenario.processes == 3 and found[0].install == "pip install ai-edge-litert"
    assert "edgebench ab" in shown.following(found)
    assert shown.row(found[1])["ratio"].value == pytest.approx(2)
    assert len(list((tmp_path / "results").rglob("*.jsonl"))) == 2


def test_a_page_is_measured_with_what_it_runs(monkeypatch, tmp_path: Path) -> None:
    asked: list[bool] = []

    def record(runner: engine.Engine, cell: plan.Cell, artifact: Artifact) -> Measurement:
        asked.append(True)
        return measured(cell.export.format, 1e-3, wobble=0.01, runtime=runner.runtime(cell), device=runner.device.name)

    def again(artifact, runtime, scenario, *, device, target, memory) -> Measurement:
        asked.append(False)
        assert (device, target, memory, scenario.threads) == ("browser", "a page", False, 1)
        return measured(artifact.export.format, 1e-3, runtime=runtime, device=device)

    monkeypatch.setattr("edgebench.run.pages.target", lambda: "a page")
    monkeypatch.setattr(engine.Engine, "record", record)
    monkeypatch.setattr(ranking, "measure", again)
    given = {"device": "browser", "precision": "fp32", "results": tmp_path}
    with pytest.warns(EdgebenchWarning, match="left out: ncnn: a page runs tflite or onnx"):
        found = edgebench.rank_runtimes("lenet5", format="tflite,onnx,ncnn", rounds=2, **given)
    assert asked == [True] * 2 + [False] * 2
    assert {(each.result.device, each.place, each.install.partition("@")[0]) for each in found} >= {
        ("browser", 1, "npm install onnxruntime-web")
    }
    assert "edgebench ab" not in shown.following(found), "it measures on this machine"
    with pytest.raises(UsageError, match="a page runs on one thread"):
        edgebench.rank_runtimes("lenet5", format="tflite", threads=2, **given)


def test_a_scheme_that_a_format_lacks_is_said() -> None:
    with (
        pytest.raises(UsageError, match="none of these formats and precisions"),
        pytest.warns(EdgebenchWarning, match="left out: onnx has no int8 by `scheme='weights'`"),
    ):
        edgebench.rank_runtimes("lenet5", format="onnx", precision="int8", scheme="weights")


def test_a_device_ranks_estimates_and_names_what_nothing_is_published_for(tmp_path: Path) -> None:
    with pytest.warns(EdgebenchWarning, match="no published rows for executorch on the Raspberry Pi 4"):
        found = edgebench.rank_runtimes(
            "lenet5",
            device="rpi4",
            format="tflite,onnx,executorch",
            precision=["fp32", "fp16"],
            threads=1,
            results=tmp_path,
        )
    assert [each.result.provenance for each in found] == ["estimated"] * 4
    text = "\n".join(str(each) for each in shown.blocks(found))
    assert text.count("! onnx fp16: nothing near is known of onnxruntime fp16") == 1 and ": None" not in text
    with pytest.raises(UsageError, match="`rounds` is 1"):
        edgebench.rank_runtimes("lenet5", rounds=1)
