"""The file formats: what writes each, how its files are called, and which packages decide what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from edgebench.ground.errors import MissingPackage, UsageError, unknown
from edgebench.ground.records import ExportSpec, Precision
from edgebench.ground.registry import Registry

EXTRAS = {"tflite": "tflite", "onnx": "onnx", "coreml": "coreml", "ncnn": "ncnn", "litert-torch": "oracle"}
EXPORTERS = Registry(
    "format",
    {
        "tflite": "edgebench.formats.tflite:convert",
        "onnx": "edgebench.formats.onnx:convert",
        "coreml": "edgebench.formats.coreml:convert",
        "torch": "edgebench.formats.torch:convert",
        "ncnn": "edgebench.formats.ncnn:convert",
    },
    extras=EXTRAS,
)


@dataclass(frozen=True)
class Format:
    """A format's file extension, the precisions and converters it has, and the packages that write and check it."""

    suffix: str
    precisions: tuple[Precision, ...]
    packages: tuple[str, ...]
    converters: tuple[str, ...] = ("default",)
    int8_packages: tuple[str, ...] = ()


FORMATS = {
    "tflite": Format(
        ".tflite",
        ("fp32", "fp16", "int8"),
        ("torch", "ai-edge-litert", "flatbuffers"),
        ("default", "litert-torch"),
        ("ai-edge-quantizer",),
    ),
    "onnx": Format(".onnx", ("fp32", "fp16", "int8"), ("torch", "onnx", "onnxscript", "onnxruntime")),
    "coreml": Format(".mlpackage", ("fp32", "fp16", "int8"), ("torch", "coremltools")),
    "torch": Format(".pt2", ("fp32",), ("torch",)),
    "ncnn": Format(".ncnn", ("fp32", "fp16", "int8"), ("torch", "pnnx", "ncnn")),
}


def check(spec: ExportSpec) -> None:
    """Raises UsageError for a combination that no exporter writes, MissingPackage for a package that it needs."""
    form = FORMATS[spec.format]
    if spec.precision not in form.precisions:
        raise unknown(f"precision for {spec.format}", spec.precision, form.precisions)
    if spec.converter not in form.converters:
        raise unknown(f"converter for {spec.format}", spec.converter, form.converters)
    if spec.precision == "int8" and spec.converter != "default":
        raise UsageError(f"converter {spec.converter} writes no int8; leave the converter out")
    if spec.quantization is not None and spec.precision != "int8":
        raise UsageError(f"calibration is for int8, and the precision is {spec.precision}: ask for int8")
    if spec.image_input and spec.format != "coreml":
        raise UsageError(f"an image as input exists in coreml only, not in {spec.format}: leave image_input out")
    for package in packages(spec):
        if installed_version(package) is None:
            extra = EXTRAS.get(package, EXTRAS.get(spec.format, "all"))
            raise MissingPackage(package, extra, f"export to {spec.format}")


def packages(spec: ExportSpec) -> tuple[str, ...]:
    """Returns the packages that write and check the spec's file."""
    form = FORMATS[spec.format]
    converter = () if spec.converter == "default" else (spec.converter,)
    return (*form.packages, *converter, *(form.int8_packages if spec.precision == "int8" else ()))


def installed_version(package: str) -> str | None:
    """Returns a package's version from the installed metadata, without importing it; None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
