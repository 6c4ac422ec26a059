"""The file formats: what writes each, how its files are called, and which packages decide what is in them."""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.errors import UsageError, unknown
from edgebench.records import ExportSpec, Precision
from edgebench.registry import Registry

EXPORTERS = Registry(
    "format",
    {
        "tflite": "edgebench.export.tflite:convert",
        "onnx": "edgebench.export.onnx:convert",
        "coreml": "edgebench.export.coreml:convert",
        "torch": "edgebench.export.torch_program:convert",
    },
    extras={"tflite": "tflite", "onnx": "onnx", "coreml": "coreml"},
)


@dataclass(frozen=True)
class Format:
    """A format's file extension, the precisions and converters it has, and the packages that write and check it."""

    suffix: str
    precisions: tuple[Precision, ...]
    packages: tuple[str, ...]
    converters: tuple[str, ...] = ("default",)


FORMATS = {
    "tflite": Format(
        ".tflite", ("fp32", "fp16"), ("torch", "ai-edge-litert", "flatbuffers"), ("default", "litert-torch")
    ),
    "onnx": Format(".onnx", ("fp32", "fp16"), ("torch", "onnx", "onnxscript", "onnxruntime")),
    "coreml": Format(".mlpackage", ("fp32", "fp16"), ("torch", "coremltools")),
    "torch": Format(".pt2", ("fp32",), ("torch",)),
}


def check(spec: ExportSpec) -> Format:
    """Returns the spec's format. Raises UsageError for a combination that no exporter writes."""
    form = FORMATS[spec.format]
    if spec.precision not in form.precisions:
        raise unknown(f"precision for {spec.format}", spec.precision, form.precisions)
    if spec.converter not in form.converters:
        raise unknown(f"converter for {spec.format}", spec.converter, form.converters)
    if spec.image_input and spec.format != "coreml":
        raise UsageError(f"an image as input exists in coreml only, not in {spec.format}: leave image_input out")
    return form
