"""CoreML packages, which are folders."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="coreml",
    suffix=".mlpackage",
    is_folder=True,
    precisions=("fp32", "fp16", "int8"),
    packages=("coremltools",),
    extra="coreml",
    schemes=("static", "weights"),
    several=True,
    write="edgebench.formats.coreml.convert:convert",
    inspect="edgebench.formats.coreml.inspect:inspect",
    evaluate="edgebench.formats.coreml.evaluate:load_package",
    tensors="edgebench.formats.coreml.evaluate:inside",
)
