from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from edgebench.compare import Comparison, ComparisonReport, Settings, check, compare
from edgebench.compare.thresholds import Threshold
from edgebench.ground.errors import Inconclusive, Regression, UsageError
from edgebench.ground.records import (
    Accuracy,
    Estimate,
    ExportSpec,
    Measurement,
    OperatorProfile,
    OperatorTime,
    Scenario,
)
from edgebench.report.comparison import render

Measured = Callable[..., Measurement]


def rows(report: ComparisonReport) -> dict[str, Comparison]:
    return {row.metric: row for row in report.comparisons}


def test_the_same_file_measured_twice_is_the_same(measured: Measured) -> None:
    report = compare([measured()], [measured(seed=1)], Settings())
    assert {name: row.verdict for name, row in rows(report).items() if row.decides} == {
        "latency": "same",
        "memory": "same",
        "size": "same",
        "parity": "same",
    }
    assert report.exit_code == 0
    check(report)


def test_a_slowdown_is_a_regression_with_ratio_interval_and_reason(measured: Measured) -> None:
    report = compare([measured()], [measured(seed=1, middle=0.0077)], Settings())
    row = rows(report)["latency"]
    assert row.verdict == "slower"
    assert row.low is not None and row.high is not None and row.ratio is not None
    assert 1 < row.low < row.ratio < row.high
    assert row.ratio == pytest.approx(1.1, rel=0.02)
    assert row.processes == (10, 10)
    assert "more than 5% above the baseline" in row.reason
    with pytest.raises(Regression, match=r"1 of 6 comparisons failed: mobilenetv2.* latency"):
        check(report)


def test_a_speed_up_is_told_and_passes(measured: Measured) -> None:
    report = compare([measured()], [measured(seed=1, middle=0.006)], Settings())
    assert rows(report)["latency"].verdict == "faster"
    assert report.exit_code == 0


def test_the_threshold_decides_what_counts(measured: Measured) -> None:
    base, new = [measured()], [measured(seed=1, middle=0.0077)]
    assert rows(compare(base, new, Settings(Threshold(0.2))))["latency"].verdict == "same"
    assert rows(compare(base, new, Settings(Threshold(0.02))))["latency"].verdict == "slower"


def test_a_threshold_learned_on_another_machine_is_told(measured: Measured) -> None:
    def notes(machine: str) -> tuple[str, ...]:
        return compare([measured()], [measured(seed=1)], Settings(Threshold(0.05, "host", machine))).notes

    assert notes("1a2b3c4d") == ()
    (note,) = notes("ffffffff")
    assert "learned on machine ffffffff, the new results are from 1a2b3c4d" in note


def test_load_and_first_inference_decide_only_when_asked(measured: Measured) -> None:
    base, new = [measured()], [measured(seed=1, load_s=(0.2,) * 10)]
    report = compare(base, new, Settings())
    assert rows(report)["load"].verdict == "slower"
    assert report.exit_code == 0
    assert compare(base, new, Settings(metrics=("load",))).exit_code == 1
    assert compare(base, [measured(seed=1, middle=0.01)], Settings(metrics=("size",))).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"environment": {"machine": "ffffffff", "cpu": "Xeon"}}, "machine"),
        ({"runtime_version": "2.4.0"}, "runtime version"),
        ({"scenario": Scenario(processes=10, threads=4)}, "threads"),
        ({"artifact_sha256": "b" * 64}, "artifact"),
        ({"device": "rpi4"}, "device"),
        ({"runtime": "onnxruntime"}, "runtime"),
    ],
)
def test_what_makes_times_incomparable_is_inconclusive_and_named(
    changes: dict[str, Any], name: str, measured: Measured
) -> None:
    report = compare([measured()], [measured(seed=1, middle=0.014, **changes)], Settings())
    found = rows(report)
    assert found["latency"].verdict == found["memory"].verdict == "inconclusive"
    assert f"not comparable: {name}: " in found["latency"].reason
    assert found["size"].verdict == "same", "a file's size does not depend on where it ran"
    assert report.exit_code == 3
    with pytest.raises(Inconclusive, match=name):
        check(report)


def test_an_intended_difference_is_allowed(measured: Measured) -> None:
    base, new = [measured()], [measured(seed=1, artifact_sha256="b" * 64)]
    report = compare(base, new, Settings(allowed=("artifact",)))
    assert rows(report)["latency"].verdict == "same"
    assert [difference.name for difference in rows(report)["latency"].differences] == ["artifact"]


def test_results_of_nowhere_in_particular_can_be_compared(measured: Measured) -> None:
    report = compare([measured(environment={})], [measured(seed=1, environment={})], Settings())
    assert report.exit_code == 0


def test_what_is_missing_fails_and_what_is_new_is_listed(measured: Measured) -> None:
    base = [measured("mobilenetv1"), measured("mobilenetv2")]
    new = [measured("mobilenetv2", seed=1), measured("efficientnet_b0")]
    report = compare(base, new, Settings())
    verdicts = {row.cell.model.split("-")[0]: row.verdict for row in report.comparisons if not row.metric}
    assert verdicts == {"mobilenetv1": "missing", "efficientnet_b0": "new"}
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("base", "new", "verdicts", "code"),
    [
        ("ok", "failed", ["failed"], 1),
        ("ok", "skipped", ["missing"], 1),
        ("ok", "invalid", ["inconclusive"], 3),
        ("invalid", "ok", ["inconclusive"], 3),
        ("failed", "ok", ["new"], 0),
        ("skipped", "skipped", [], 0),
        ("failed", "failed", ["failed"], 1),
    ],
)
def test_results_without_numbers(base: str, new: str, verdicts: list[str], code: int, measured: Measured) -> None:
    report = compare([measured(status=base, error="x")], [measured(status=new, error="y")], Settings())
    assert [row.verdict for row in report.comparisons] == verdicts
    assert report.exit_code == code


def test_a_metric_that_vanished_is_missing(measured: Measured) -> None:
    report = compare([measured()], [measured(seed=1, memory_bytes={})], Settings())
    assert rows(report)["memory"].verdict == "missing"


def test_the_newest_result_of_a_cell_counts(measured: Measured) -> None:
    old = measured(seed=1, middle=0.02, time="2026-11-20T23:00:00-08:00")  # 07:00 UTC on the 21st
    older = measured(seed=2, middle=0.05, time="2026-11-21T06:59:00")
    report = compare([measured(middle=0.02)], [older, old, older], Settings())
    assert rows(report)["latency"].verdict == "same"
    assert report.notes == ("new holds 2 older results of the same cells; the newest were compared",)


def test_a_time_that_is_none(measured: Measured) -> None:
    with pytest.raises(UsageError, match="time 'yesterday', which is not an ISO 8601 time"):
        compare([measured()], [measured(), measured(time="yesterday")], Settings())


def test_a_baseline_with_other_models_only(measured: Measured) -> None:
    with pytest.raises(UsageError, match="old and fresh have no file in common: the first holds mobilenetv1"):
        compare([measured("mobilenetv1")], [measured("mobilenetv2")], Settings(), names=("old", "fresh"))


def test_devices_may_be_mixed_when_each_has_its_counterpart(
    measured: Measured, estimated: Callable[..., Estimate]
) -> None:
    report = compare([measured(), estimated()], [estimated(), measured(seed=1)], Settings())
    assert {row.cell.device for row in report.comparisons} == {"host", "rpi4"}
    assert report.exit_code == 0


def test_estimates_compare_without_noise_unless_their_calibration_changed(estimated: Callable[..., Estimate]) -> None:
    slower = compare([estimated()], [estimated(value=0.09)], Settings())
    assert rows(slower)["latency"].verdict == "slower"
    refit = compare([estimated()], [estimated(value=0.09, calibrated_on="fit 2")], Settings())
    assert "calibration: fit 1, now fit 2" in rows(refit)["latency"].reason


def test_a_measured_number_never_meets_an_estimate(measured: Measured, estimated: Callable[..., Estimate]) -> None:
    report = compare([estimated(device="host")], [measured()], Settings())
    assert "provenance: estimated, now measured" in rows(report)["latency"].reason


def test_an_emulated_result_beside_an_estimate_meets_its_own_kind(
    measured: Measured, estimated: Callable[..., Estimate]
) -> None:
    def counted(count: int) -> Measurement:
        return measured(device="rpi4", provenance="emulated", latency_s=(), counts={"instructions": count})

    report = compare([counted(10**8), estimated()], [estimated(), counted(10**8)], Settings())
    assert {(row.metric, row.cell.provenance) for row in report.comparisons} >= {
        ("instructions", "emulated"),
        ("latency", "estimated"),
    }
    assert report.exit_code == 0


def test_instructions_of_the_interpreter_do_not_fail_a_tiny_network(measured: Measured) -> None:
    base, new = (measured(counts={"instructions": count}) for count in (1_000_000, 1_004_000))
    assert rows(compare([base], [new], Settings()))["instructions"].verdict == "same"


def test_instruction_counts_are_exact_and_explained_by_class(measured: Measured) -> None:
    def counted(total: int, loads: int, sha: str) -> Measurement:
        counts = {"instructions": total, "loads": loads, "branches": 1_000_000, "timed_every": 3}
        return measured(provenance="emulated", counts=counts, artifact_sha256=sha * 64)

    base = counted(123_444_063, 30_000_000, "a")
    assert rows(compare([base], [counted(123_444_127, 30_000_064, "a")], Settings()))["instructions"].verdict == "same"
    row = rows(compare([base], [counted(124_000_000, 30_555_937, "b")], Settings()))["instructions"]
    assert row.verdict == "slower"
    assert row.details == (
        "loads: 30,000,000 -> 30,555,937 (+555,937)",
        "profile both sides with --per-op to see which operator",
    )
    fewer = rows(compare([base], [counted(120_000_000, 30_000_000, "b")], Settings()))["instructions"]
    assert (fewer.verdict, fewer.details) == ("faster", ())


def test_a_change_of_instructions_is_explained_by_operator_where_both_sides_counted_them(measured: Measured) -> None:
    def counted(total: int, **operators: int) -> Measurement:
        times = tuple(
            OperatorTime(name=name, kind="CONV_2D", time_s=(), counts={"instructions": count})
            for name, count in operators.items()
        )
        profile = OperatorProfile(method="prefixes", operators=times) if times else None
        return measured(provenance="emulated", counts={"instructions": total}, operators=profile)

    base = counted(3_000_000, stem=1_000_000, head=2_000_000)
    row = rows(compare([base], [counted(3_600_000, stem=1_000_000, head=2_600_000)], Settings()))["instructions"]
    assert row.details == ("operator head (CONV_2D): 2,000,000 -> 2,600,000 (+600,000)",)
    bare = rows(compare([base], [counted(3_600_000)], Settings()))["instructions"]
    assert bare.details == ("profile both sides with --per-op to see which operator",)
    many = [counted(count * 12, **{f"layer{i}": count for i in range(12)}) for count in (10**6, 2 * 10**6)]
    assert rows(compare(many[:1], many[1:], Settings()))["instructions"].details[10:] == ("and 2 more operators",)


def test_memory_changes_below_an_allocator_arena_do_not_count(measured: Measured) -> None:
    small = {"baseline": 40_000_000, "load": 40_500_000}
    grown = {"baseline": 40_000_000, "load": 41_500_000}
    report = compare([measured(memory_bytes=small)], [measured(seed=1, memory_bytes=grown)], Settings())
    assert rows(report)["memory"].verdict == "same"


def test_a_file_that_now_fails_its_parity_gate(measured: Measured) -> None:
    good = measured()
    assert good.parity is not None
    bad = measured(seed=1, parity=replace(good.parity, passed=False, relative_l2_error=0.3))
    assert rows(compare([good], [bad], Settings()))["parity"].verdict == "slower"


def test_a_second_run_has_to_confirm_a_slowdown(measured: Measured) -> None:
    base, slow = [measured()], [measured(seed=1, middle=0.0077)]
    repeated = rows(compare(base, slow, Settings(), confirm=[measured(seed=2, middle=0.0078)]))["latency"]
    assert repeated.verdict == "slower" and "a second run confirms it" in repeated.reason
    vanished = rows(compare(base, slow, Settings(), confirm=[measured(seed=2)]))["latency"]
    assert vanished.verdict == "same" and "did not repeat" in vanished.reason
    other = measured(seed=3, export=ExportSpec(format="onnx"))
    report = compare([*base, other], [*slow, other], Settings(), confirm=[other])
    unconfirmed = next(row for row in report.failing if row.metric == "latency")
    assert unconfirmed.cell.export == "tflite-fp32" and "no second run of it" in unconfirmed.reason


def test_geometric_mean_over_the_cells(measured: Measured) -> None:
    base = [measured("mobilenetv1"), measured("mobilenetv2")]
    new = [measured("mobilenetv1", middle=0.014), measured("mobilenetv2", middle=0.0035)]
    mean = next(mean for mean in compare(base, new, Settings()).geometric_means if mean.metric == "latency")
    assert (mean.ratio, mean.cells) == (pytest.approx(1.0), 2)


@pytest.mark.parametrize("wrong", [{"metrics": ("latencyy",)}, {"allowed": ("machines",)}])
def test_unknown_names_offer_the_nearest(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"did you mean (latency|machine)\?"):
        Settings(**wrong)


def judged(correct: int, **changes: Any) -> Accuracy:
    return replace(Accuracy(dataset="photos", dataset_identity="ab", images=1000, correct=correct), **changes)


@pytest.mark.parametrize(("correct", "verdict"), [(900, "same"), (896, "same"), (890, "slower"), (912, "faster")])
def test_top_1_error_is_judged_by_points(measured: Measured, correct: int, verdict: str) -> None:
    base, new = measured(accuracy=judged(900)), measured(seed=1, accuracy=judged(correct))
    row = rows(compare([base], [new], Settings()))["error"]
    assert (row.verdict, row.base) == (verdict, 0.1)


def test_accuracy_on_other_images_is_not_comparable_and_latency_still_is(measured: Measured) -> None:
    base, new = measured(accuracy=judged(900)), measured(seed=1, accuracy=judged(950, dataset_identity="cd"))
    found = rows(compare([base], [new], Settings()))
    assert found["error"].verdict == "inconclusive"
    assert "dataset" in found["error"].reason
    assert found["latency"].verdict == "same"


def test_a_metric_asked_for_that_no_result_has_is_inconclusive_in_every_format(measured: Measured) -> None:
    base, new = [measured()], [measured(seed=1), measured("mobilenetv1")]
    report = compare(base, new, Settings(metrics=("instructions",)))
    with pytest.raises(Inconclusive, match=r"no result on either side has instructions: profile .* --via emulator"):
        check(report)
    assert report.exit_code == 3
    assert '"verdict": "inconclusive"' in render(report, "json")
    assert 'errors="1"' in render(report, "junit")
    with pytest.raises(Inconclusive, match="has top-1 error: profile both sides so that they have it"):
        check(compare(base, new, Settings(metrics=("error",))))


def test_a_metric_asked_for_that_only_one_side_has_counts(measured: Measured) -> None:
    asked, counted = Settings(metrics=("instructions",)), {"counts": {"instructions": 10**8}}
    with pytest.raises(Regression, match="the new result does not"):
        check(compare([measured(**counted)], [measured(seed=1)], asked))
    with pytest.raises(Inconclusive, match="the baseline has no instructions: profile both sides"):
        check(compare([measured()], [measured(seed=1, **counted)], asked))
    base = [measured(**counted), measured("mobilenetv1")]
    report = compare(base, [measured(seed=1, **counted), measured("mobilenetv1", **counted)], asked)
    assert [row.verdict for row in report.comparisons if row.decides] == ["same", "new"]
    check(report)
