"""Bytes in a file and in memory."""

import pytest

from edgebench.estimate.footprint import file_bytes, peak_memory_bytes
from edgebench.models import resolve
from edgebench.models.sketch import sketch


# Peak resident megabytes above the imported engine, measured on x86-64 Linux by tests/benchmarks/estimate_memory.py.
@pytest.mark.parametrize(
    ("name", "runtime", "measured"),
    [
        ("mobilenetv2", "litert", 40.3),
        ("efficientnet_b0", "litert", 59.1),
        ("alexnet", "litert", 511.0),
        ("mobilenetv2", "onnxruntime", 49.6),
        ("resnet18", "onnxruntime", 169.4),
        ("alexnet", "onnxruntime", 443.9),
        ("mobilenetv2", "ncnn", 39.1),
        ("resnet18", "ncnn", 187.6),
        ("alexnet", "ncnn", 366.2),
        ("vgg16", "ncnn", 1080.9),
    ],
)
def test_peak_memory_is_near_what_was_measured_here(name: str, runtime: str, measured: float) -> None:
    found = peak_memory_bytes(sketch(resolve(name)), runtime, "fp32")
    assert found is not None and found / 1e6 == pytest.approx(measured, rel=0.15)


def test_a_file_is_its_weights_and_little_else() -> None:
    graph = sketch(resolve("mobilenetv2"))
    assert file_bytes(graph, "fp32") == pytest.approx(14.0e6, rel=0.01)
    assert file_bytes(graph, "int8") == pytest.approx(3.5e6, rel=0.02)


def test_ncnn_holds_half_precision_as_it_holds_single() -> None:
    graph = sketch(resolve("resnet18"))
    assert peak_memory_bytes(graph, "ncnn", "fp16") == peak_memory_bytes(graph, "ncnn", "fp32")


@pytest.mark.parametrize(("runtime", "precision"), [("coreml", "fp32"), ("ncnn", "int8")])
def test_what_was_never_measured_has_no_figure(runtime: str, precision: str) -> None:
    assert peak_memory_bytes(sketch(resolve("lenet5")), runtime, precision) is None
