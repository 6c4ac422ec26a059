"""ONNX files."""

from __future__ import annotations

from edgebench.formats.format import Format
from edgebench.formats.onnx.variant import activations_for

FORMAT = Format(
    name="onnx",
    suffix=".onnx",
    further=(".ort",),
    precisions=("fp32", "fp16", "int8"),
    packages=("onnx", "onnxruntime"),
    extra="onnx",
    schemes=("static", "dynamic"),
    several=True,
    write="edgebench.formats.onnx.convert:convert",
    foreign="edgebench.formats.onnx.inspect:foreign",
    inspect="edgebench.formats.onnx.inspect:inspect",
    graph="edgebench.formats.onnx.source:read_graph",
    source="edgebench.formats.onnx.source:module",
    sized="edgebench.formats.onnx.sized:sized",
    shorten="edgebench.formats.onnx.shorten:cut",
    activations=activations_for,
    tensors="edgebench.formats.onnx.layers:inside",
)
