"""`scale` without confirmation: the pick, its reasons, and bad input."""

from pathlib import Path

import msgspec
import pytest
from pytest import MonkeyPatch

import edgebench.choose.prior as prior
from edgebench.api import scale
from edgebench.choose import Choice
from edgebench.choose.pool import Variant, pool
from edgebench.choose.scalable import bases
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.estimate import footprint
from edgebench.estimate.estimator import estimate
from edgebench.ground.errors import EdgebenchWarning, Regression, UsageError
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load
from edgebench.models.sketch import sketch
from edgebench.report import choice as choice_report


def test_the_pick_is_the_best_that_keeps_the_limits(choice: Choice) -> None:
    columns = pool(bases("mobilenetv2"), [Variant(ExportSpec(), 1)], [load("rpi4")], extent=WITHIN_PRIOR).columns
    fits = (columns.latency <= 0.05) & (columns.memory <= 64e6)
    assert choice.picked.accuracy.value == pytest.approx(columns.accuracy[fits].max())
    assert choice.candidates == len(columns) > 10_000


def test_the_picks_numbers_are_the_one_network_estimate(choice: Choice) -> None:
    picked = choice.picked
    alone = estimate(sketch(picked.model), load("rpi4"), spec=picked.model, export=picked.export)
    assert picked.latency_s == alone.latency_s
    assert picked.peak_memory_bytes == alone.peak_memory_bytes
    assert picked.size_bytes == alone.size_bytes


def test_ties_are_within_a_point_and_cost_less(choice: Choice) -> None:
    assert choice.ties
    for tie in choice.ties:
        assert 0 <= choice.picked.accuracy.value - tie.accuracy.value < prior.TIE
        cheaper = (tie.latency_s.value < choice.picked.latency_s.value) or (
            tie.peak_memory_bytes < choice.picked.peak_memory_bytes
        )
        assert cheaper


def test_the_upgrade_is_better_by_more_than_a_tie_and_breaks_the_limit(choice: Choice) -> None:
    assert choice.upgrade is not None
    assert choice.upgrade.accuracy.value >= choice.picked.accuracy.value + prior.TIE
    assert choice.upgrade.latency_s.value > 0.05


def test_every_loser_has_a_reason_that_holds(choice: Choice) -> None:
    published = [each for each in choice.rejected if each.point.origin == "mobilenetv2"]
    assert published[0].reasons[0].startswith("latency")
    for each in choice.rejected:
        if "over --max-latency" in each.reasons[0]:
            assert each.point.latency_s.value > 0.05
        else:
            assert each.point.accuracy.value <= choice.picked.accuracy.value + 1e-9


def test_the_frontier_is_ordered_and_holds_the_pick(choice: Choice) -> None:
    latencies = [point.latency_s.value for point in choice.frontier]
    assert latencies == sorted(latencies)
    assert choice.picked.model in [point.model for point in choice.frontier]
    assert len(choice.frontier) <= 2 * 24 + 1 < choice.frontier_points


def test_headroom_adds_up(choice: Choice) -> None:
    assert {each.name for each in choice.headroom} == {"latency", "memory"}
    for each in choice.headroom:
        assert each.left == pytest.approx(1 - each.value / each.limit)
        assert each.left >= 0


def test_the_record_survives_json(choice: Choice) -> None:
    assert msgspec.json.decode(msgspec.json.encode(choice), type=Choice) == choice


def test_more_threads_and_formats_are_further_axes() -> None:
    several = scale(
        "rpi4", "mobilenetv1", max_latency="20ms", threads=[1, 4], precision=["fp32", "int8"], confirmed=False
    )
    assert several.picked.threads == 4
    alone = scale("rpi4", "mobilenetv1", max_latency="20ms", confirmed=False)
    assert several.candidates == 4 * alone.candidates
    assert several.picked.accuracy.value >= alone.picked.accuracy.value


def test_of_all_formats_those_with_an_estimate_are_chosen_from(monkeypatch: MonkeyPatch) -> None:
    asked = {"family": "mobilenetv1", "max_latency": "100ms", "max_memory": "64MB", "confirmed": False}
    with pytest.warns(EdgebenchWarning) as told:
        found = scale("pixel3", format="all", precision=["fp32", "fp16"], **asked)
    reasons = [str(each.message) for each in told]
    assert "left out: coreml in fp32 (threads 1), fp16 (threads 1): no estimate of its latency on pixel3" in reasons
    each = [scale("pixel3", format=form, **asked) for form in ("tflite", "ncnn")]
    assert found.candidates >= sum(one.candidates for one in each)
    assert found.picked.accuracy.value >= max(one.picked.accuracy.value for one in each)
    monkeypatch.setattr(footprint, "_constants", dict)
    with (
        pytest.warns(EdgebenchWarning, match="left out: .*: no estimate of its (memory|latency)"),
        pytest.raises(UsageError, match="no format has an estimate here"),
    ):
        scale("pixel3", format="all", **asked)
    assert f"{found.picked.export.format}-" in "\n".join(map(str, choice_report.summary(found)))


def test_one_network_keeps_the_limit_on_all_of_several_devices() -> None:
    names = ("rpi4", "rpi3b", "pixel3")
    found = scale(",".join(names), "mobilenetv1", max_latency="100ms", confirmed=False)
    export, model = found.picked.export, found.picked.model
    alone = {name: estimate(sketch(model), load(name), spec=model, export=export).latency_s for name in names}
    assert {each.device: each.latency_s for each in found.picked.there} == alone
    assert found.picked.latency_s == alone["rpi3b"] == max(alone.values(), key=lambda each: each.value)
    slowest = scale("rpi3b", "mobilenetv1", max_latency="100ms", format=export.format, confirmed=False)
    assert found.picked.model == slowest.picked.model
    said = "\n".join(str(each) for each in choice_report.summary(found))
    assert "on rpi3b (binds): " in said and "on pixel3: " in said
    assert msgspec.json.decode(msgspec.json.encode(found), type=Choice) == found


def test_a_network_is_chosen_for_a_phones_npu(tmp_path: Path) -> None:
    found = scale("galaxy_s25", "mobilenetv1", max_latency="1ms", processor="npu", confirmed=False)
    picked = found.picked
    alone = estimate(sketch(picked.model), load("galaxy_s25"), spec=picked.model, export=picked.export, processor="npu")
    assert (picked.processor, picked.latency_s, picked.peak_memory_bytes) == ("npu", alone.latency_s, None)
    assert "tflite-fp32, on the npu" in "\n".join(map(str, choice_report.summary(found)))
    phone = scale("iphone13", "mobilenetv1", max_latency="1ms", confirmed=False).picked
    assert (phone.processor, phone.export.format) == ("npu", "coreml")
    with pytest.raises(UsageError, match="chosen for the npu of iphone13"):
        scale("iphone13", "mobilenetv1", max_latency="1ms", sweep=tmp_path / "sweep.toml")


def test_beyond_the_prior_only_when_asked_and_marked() -> None:
    with pytest.raises(Regression, match="no network fits"):
        scale("rpi4", "mobilenetv2", max_latency="2ms", confirmed=False)
    far = scale("rpi4", "mobilenetv2", max_latency="2ms", confirmed=False, extrapolate=True)
    assert far.picked.extrapolated
    assert any("guess" in warning for warning in far.warnings)


def test_resnets_are_chosen_among_their_depths() -> None:
    found = scale("rpi4", "resnet", max_latency="400ms", confirmed=False)
    assert found.picked.model.name.startswith("resnet")
    assert {"resnet18", "resnet50", "resnet152"} <= {each.point.origin for each in found.rejected}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "rpi44"}, "did you mean rpi4"),
        ({"device": "rpi4,rpi44"}, "did you mean rpi4"),
        ({"device": "all"}, "name the devices that you ship to"),
        ({"device": "rpi4,iphone12"}, "nothing near is known of litert fp32 on iphone12"),
        ({"device": "rpi4,rpi2", "threads": 9}, "9 threads on rpi4: give 1 to 4"),
        ({"processor": "npu"}, "the profile of rpi4 has no npu"),
        ({"device": "galaxy_s25", "processor": "npu", "threads": (1, 2)}, "`threads` are the CPU's"),
        ({"device": "galaxy_s25", "max_memory": "64MB"}, "on the npu of galaxy_s25 is not known"),
        ({"family": "mobilnet"}, "unknown family"),
        ({"format": "onxx"}, "unknown format"),
        ({"precision": "fp64"}, "unknown precision"),
        ({"threads": 9}, "give 1 to 4"),
        ({"threads": 0}, "1 or more"),
        ({"recipe": "magic"}, "unknown recipe"),
        ({"format": "onnx", "precision": "fp16"}, "nothing near is known of onnxruntime fp16 on rpi4"),
        ({"device": "host"}, "edgebench device calibrate host --fmt tflite"),
        ({"device": "pixel3", "format": "mnn", "max_memory": "64MB"}, "how much memory mnn takes in fp32 is not known"),
        ({"format": "torch", "precision": "int8", "confirmed": True}, "cannot be written"),
        ({"finalists": 0}, "`finalists` is 0"),
    ],
)
def test_bad_input_is_one_sentence(arguments: dict[str, object], message: str) -> None:
    given = {"device": "rpi4", "family": "mobilenetv1", "max_latency": "50ms", "confirmed": False} | arguments
    with pytest.raises(UsageError, match=message) as caught:
        scale(**given)
    assert "\n" not in str(caught.value)


def test_a_runtime_of_unknown_memory_is_chosen_for_by_the_other_limits(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "_constants", dict)
    found = scale("rpi4", "mobilenetv2", max_latency="50ms", format="ncnn", precision="int8", confirmed=False)
    assert found.picked.peak_memory_bytes is None
    assert found.picked.latency_s.value <= 0.05
    assert all("memory" not in each.reasons[0] for each in found.rejected)
