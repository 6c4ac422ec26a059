"""MNN networks, a file each."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="mnn",
    suffix=".mnn",
    precisions=("fp32", "fp16", "int8"),
    packages=("MNN", "onnx"),
    int8_packages=("onnxruntime",),
    schemes=("static", "weights"),
    extra="mnn",
    write="edgebench.formats.mnn.convert:convert",
    inspect="edgebench.formats.mnn.inspect:inspect",
    tensors="edgebench.formats.mnn.layers:inside",
)
