"""OpenVINO's intermediate representation: folders of two files."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="openvino",
    suffix=".openvino",
    is_folder=True,
    precisions=("fp32", "fp16", "int8"),
    packages=("openvino", "onnx"),
    int8_packages=("onnxruntime",),
    extra="openvino",
    several=True,
    write="edgebench.formats.openvino.convert:convert",
    inspect="edgebench.formats.openvino.inspect:inspect",
    tensors="edgebench.formats.openvino.layers:inside",
)
