from collections.abc import Callable
from datetime import date

import pytest

from edgebench.compare.budgets import Band, Budget, Waiver
from edgebench.compare.gating import Gate, check, gate
from edgebench.ground.errors import Inconclusive, Regression
from edgebench.ground.records import Estimate, ExportSpec, Interval, Measurement
from edgebench.report.comparison import render

Measured = Callable[..., Measurement]


def budget(metric: str = "latency", low: float = 0.0, high: float = 1.0, **narrowed: object) -> Budget:
    wanted = {"format": None, "precision": None, "runtime": None, "threads": None, "device": "host", **narrowed}
    return Budget(model="mobilenetv2", bands={metric: Band(low, high)}, **wanted)  # type: ignore[arg-type]


def only(results: list[Measurement | Estimate], budget: Budget, *waivers: Waiver) -> Gate:
    (row,) = gate(results, [budget], waivers).gates
    return row


@pytest.mark.parametrize(
    ("low", "high", "verdict", "code"),
    [(0.0, 0.008, "within", 0), (0.0, 0.006, "over", 1), (0.008, 0.009, "below", 1), (0.0, 0.007, "inconclusive", 3)],
)
def test_a_measured_latency_against_its_band(
    low: float, high: float, verdict: str, code: int, measured: Measured
) -> None:
    report = gate([measured()], [budget(low=low, high=high)], [])
    assert [row.verdict for row in report.gates] == [verdict]
    assert report.exit_code == code


def test_the_error_names_what_is_over(measured: Measured) -> None:
    report = gate([measured()], [budget(high=0.0035)], [])
    with pytest.raises(Regression, match=r"mobilenetv2 on host latency: 10\d\.\d% over the budget"):
        check(report)
    with pytest.raises(Inconclusive, match="the interval holds a bound of the budget"):
        check(gate([measured()], [budget(high=0.007)], []))


def test_an_estimate_brings_its_own_interval(estimated: Callable[..., Estimate]) -> None:
    assert only([estimated()], budget(high=0.1, device="rpi4")).verdict == "within"
    assert only([estimated()], budget(high=0.082, device="rpi4")).verdict == "inconclusive"


def test_one_process_bounds_nothing_but_an_emulated_one_is_exact(measured: Measured) -> None:
    lone = measured(latency_s=((0.007,) * 50,))
    row = only([lone], budget(high=0.1))
    assert (row.verdict, row.low, row.high) == ("inconclusive", None, None)
    assert "inconclusive" in render(gate([lone], [budget(high=0.1)], []), "table")
    assert only([measured(latency_s=((0.007,),), provenance="emulated")], budget(high=0.1)).verdict == "within"


def test_a_busy_machine_bounds_latency_from_above_only(measured: Measured) -> None:
    busy = measured(latency_s=tuple(tuple(0.007 * (1 + 0.03 * i) for i in range(40)) for _ in range(10)))
    assert only([busy], budget(high=0.02)).verdict == "within"
    assert only([busy], budget(high=0.008)).verdict == "inconclusive"
    assert only([busy], budget(high=0.001)).verdict == "over"


def test_exact_metrics(measured: Measured) -> None:
    assert only([measured()], budget("size", high=14_000_000)).verdict == "within"
    assert only([measured()], budget("size", high=13_999_999)).verdict == "over"
    assert only([measured()], budget("memory", high=30_000_000)).value == 30_000_000
    assert only([measured(counts={"instructions": 5})], budget("instructions", high=4)).verdict == "over"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"model": "other"}, "missing"),
        ({"device": "rpi4"}, "missing"),
        ({"status": "skipped", "error": "no LiteRT"}, "missing"),
        ({"status": "failed", "error": "crashed"}, "failed"),
        ({"status": "invalid", "error": "throttled"}, "inconclusive"),
        ({"latency_s": ()}, "missing"),
    ],
)
def test_no_number_never_passes(changes: dict[str, object], verdict: str, measured: Measured) -> None:
    assert only([measured(**changes)], budget()).verdict == verdict


def test_what_one_result_lacks_another_may_have(measured: Measured, estimated: Callable[..., Estimate]) -> None:
    counted = measured(device="rpi4", provenance="emulated", latency_s=(), counts={"instructions": 5})
    skipped = measured(device="rpi4", export=ExportSpec(format="coreml"), status="skipped", error="not a Mac")
    results = [counted, skipped, estimated()]
    assert only(results, budget(high=0.1, device="rpi4")).provenance == "estimated"
    assert only(results, budget("instructions", high=9, device="rpi4")).provenance == "emulated"
    assert only([skipped], budget(high=0.1, device="rpi4")).reason == "not a Mac"


def test_an_estimate_that_holds_the_bound_asks_for_the_device(
    measured: Measured, estimated: Callable[..., Estimate]
) -> None:
    assert (
        "measure on the device, or give a wider budget" in only([estimated()], budget(high=0.08, device="rpi4")).reason
    )
    assert "on a quieter machine" in only([measured()], budget(high=0.007)).reason


def test_an_emulated_latency_is_what_its_counts_make_or_is_not_gated(measured: Measured) -> None:
    made = Interval(value=0.08, low=0.07, high=0.09, confidence=0.9)
    emulated = measured(provenance="emulated", latency_s=(), estimated_latency_s=made)
    row = only([emulated], budget(high=0.1))
    assert (row.verdict, row.provenance, row.low, row.high) == ("within", "emulated", 0.07, 0.09)
    assert only([emulated], budget(high=0.08)).verdict == "inconclusive"
    bare = only([measured(provenance="emulated", latency_s=())], budget())
    assert bare.reason == "emulated latencies are not gated: use instructions, or an estimate"


def test_a_budget_narrows_by_format_precision_runtime_and_threads(measured: Measured) -> None:
    onnx = measured(seed=1, export=ExportSpec(format="onnx"), runtime="onnxruntime")
    assert len(gate([measured(), onnx], [budget()], []).gates) == 2
    for narrowed in ({"format": "onnx"}, {"runtime": "onnxruntime"}):
        row = only([measured(), onnx], budget(**narrowed))
        assert row.cell is not None and row.cell.export == "onnx-fp32"
    for narrowed in ({"precision": "int8"}, {"threads": 4}):
        assert only([measured(), onnx], budget(**narrowed)).verdict == "missing"


def test_a_budget_may_name_a_scaling_point(measured: Measured) -> None:
    narrow = measured(model="mobilenetv2")
    key = Budget("host", narrow.model.key, bands={"latency": Band(0, 1)})
    assert only([narrow], key).verdict == "within"


def test_a_waiver_lets_an_overrun_pass_and_says_why(measured: Measured) -> None:
    waiver = Waiver(device="host", model="mobilenetv2", metric="latency", until=date(2027, 1, 1), reason="known")
    row = only([measured()], budget(high=0.001), waiver)
    assert row.verdict == "waived"
    assert "waived until 2027-01-01: known" in row.reason
    other = Waiver(device="host", model="mobilenetv2", metric="size", until=date(2027, 1, 1), reason="known")
    assert only([measured()], budget(high=0.001), other).verdict == "over"
    assert only([measured()], budget(high=1), waiver).verdict == "within"
