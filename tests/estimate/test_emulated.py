"""The time of an emulated inference: which of two estimates it is, and that it says so."""

import pytest

from edgebench import models
from edgebench.estimate.calibrations import calibration
from edgebench.estimate.counts import counted_networks
from edgebench.estimate.emulated import emulated_time
from edgebench.graph import Graph
from edgebench.machines.profiles import load
from edgebench.models.sketch import sketch

RPI4, RPI5, ZERO = map(load, ("rpi4", "rpi5", "rpizero2w"))
GRAPH = sketch(models.resolve("mobilenetv2"))
COUNTS = counted_networks("cortex-a72")["ncnn/mobilenet_v2"]
A53_COUNTS = counted_networks("cortex-a53")["ncnn/mobilenet_v2"]


def test_counts_are_nearer_in_half_precision_on_the_raspberry_pi_5() -> None:
    found = emulated_time(counted_networks("cortex-a76", "fp16")["ncnn/mobilenet_v2"], RPI5, "ncnn", "fp16", GRAPH)
    assert found is not None
    assert found.rests_on.startswith("counted instructions and 1 constant fitted on published latencies of 14 ")
    graph = calibration(RPI5, "ncnn", "fp16", 1)
    assert graph is not None
    assert found.error < graph.error.median
    assert found.latency_s.confidence == 0.9


def test_the_graphs_interval_holds_a_figure_that_no_fit_has_used() -> None:
    found = emulated_time(COUNTS, RPI4, "ncnn", "fp32", GRAPH)
    assert found is not None
    assert found.latency_s.low < 0.09348 < found.latency_s.high  # ncnn's own


def test_the_graph_is_nearer_where_memory_holds_up_a_core() -> None:
    found = emulated_time(A53_COUNTS, ZERO, "ncnn", "fp32", GRAPH)
    assert found is not None
    assert found.rests_on.startswith("the network's graph, not its counts: ")
    by_counts = emulated_time(A53_COUNTS, ZERO, "ncnn", "fp32")
    assert by_counts is not None
    assert by_counts.rests_on.startswith("counted instructions and 1 constant fitted on ")
    assert found.error < by_counts.error


def test_without_counts_or_without_constants_the_graph_tells() -> None:
    found = emulated_time(COUNTS, RPI4, "litert", "fp32", GRAPH)
    assert found is not None
    assert "18 published latencies with litert fp32 on it" in found.rests_on
    assert any("1.5 GHz" in warning for warning in found.warnings)
    uncounted = emulated_time({}, RPI4, "ncnn", "fp32", GRAPH)
    assert uncounted is not None
    assert uncounted.rests_on.startswith("the network's graph")


@pytest.mark.parametrize("graph", [GRAPH, None])
def test_a_runtime_that_nothing_is_published_for_borrows_and_says_so(graph: Graph | None) -> None:
    own = emulated_time(COUNTS, RPI4, "ncnn", "fp32")
    found = emulated_time(COUNTS, RPI4, "onnxruntime", "fp32", graph)
    assert own is not None
    assert found is not None
    assert found.latency_s.value == own.latency_s.value
    assert found.latency_s.high / found.latency_s.value == pytest.approx(
        (own.latency_s.high / own.latency_s.value) ** 2
    )
    assert "with ncnn fp32;" in found.rests_on
    assert found.rests_on.endswith("on rpi4; nothing is published for onnxruntime on rpi4, so the interval is wider")


@pytest.mark.parametrize("graph", [GRAPH, None])
def test_a_core_that_nothing_is_calibrated_for_has_no_time(graph: Graph | None) -> None:
    assert emulated_time(COUNTS, load("jetson_orin_nano"), "onnxruntime", "fp32", graph) is None
