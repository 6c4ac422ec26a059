"""ncnn networks: folders of two files."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="ncnn",
    suffix=".ncnn",
    is_folder=True,
    precisions=("fp32", "fp16", "int8"),
    packages=("pnnx", "ncnn"),
    extra="ncnn",
    several=True,
    write="edgebench.formats.ncnn.convert:convert",
    inspect="edgebench.formats.ncnn.inspect:inspect",
    shorten="edgebench.formats.ncnn.shorten:cut",
    tensors="edgebench.formats.ncnn.activations:inside",
)
