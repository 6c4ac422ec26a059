"""Bytes in a file and in memory."""

import pytest

from edgebench.estimate import footprint, peaks
from edgebench.estimate.footprint import file_bytes, peak_memory_bytes
from edgebench.models import resolve
from edgebench.models.sketch import sketch


def test_the_shipped_constants_are_what_the_peaks_of_the_emulated_guest_give() -> None:
    for line in peaks.constants():
        shipped = footprint._constants()[line["runtime"], line["precision"]]
        assert [getattr(shipped, name) for name in line] == [
            value if isinstance(value, str) else pytest.approx(value, rel=1e-3, abs=1e-6) for value in line.values()
        ]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "ncnn"])
def test_the_interval_holds_what_the_guest_took(runtime: str, precision: str) -> None:
    seen = [each for each in peaks.peaks() if (each.runtime, each.precision) == (runtime, precision)]
    inside = 0
    for each in seen:
        spec = resolve(each.network, width=each.width, resolution=each.resolution)
        found = footprint.peak_memory(sketch(spec), runtime, precision)
        inside += found.low <= each.peak_bytes <= found.high
    assert len(seen) >= 6
    assert inside >= 0.85 * len(seen)


def test_a_file_is_its_weights_and_little_else() -> None:
    graph = sketch(resolve("mobilenetv2"))
    assert file_bytes(graph, "fp32") == pytest.approx(14.0e6, rel=0.01)
    assert file_bytes(graph, "int8") == pytest.approx(3.5e6, rel=0.02)


def test_ncnn_holds_half_precision_as_it_holds_single() -> None:
    graph = sketch(resolve("resnet18"))
    assert peak_memory_bytes(graph, "ncnn", "fp16") == peak_memory_bytes(graph, "ncnn", "fp32")


@pytest.mark.parametrize(("runtime", "precision"), [("coreml", "fp32"), ("mnn", "fp16")])
def test_what_was_never_measured_has_no_figure(runtime: str, precision: str) -> None:
    assert peak_memory_bytes(sketch(resolve("lenet5")), runtime, precision) is None
