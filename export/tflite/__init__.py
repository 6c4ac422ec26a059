"""TensorFlow Lite files."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="tflite",
    suffix=".tflite",
    precisions=("fp32", "fp16", "int8"),
    packages=("ai-edge-litert", "flatbuffers"),
    int8_packages=("ai-edge-quantizer",),
    extra="tflite",
    schemes=("static", "dynamic", "weights"),
    int8_io=True,
    converters={"litert-torch": "oracle"},
    several=True,
    write="edgebench.formats.tflite.convert:convert",
    foreign="edgebench.formats.tflite.inspect:foreign",
    inspect="edgebench.formats.tflite.inspect:inspect",
    graph="edgebench.formats.tflite.graph:read_graph",
    source="edgebench.formats.tflite.source:module",
    sized="edgebench.formats.tflite.sized:sized",
    single="edgebench.formats.tflite.sized:single",
    shorten="edgebench.formats.tflite.shorten:cut",
    tensors="edgebench.formats.tflite.activations:inside",
)
