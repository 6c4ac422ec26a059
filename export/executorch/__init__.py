"""ExecuTorch programs, a file each."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="executorch",
    suffix=".pte",
    precisions=("fp32", "fp16", "int8"),
    packages=("executorch", "ai-edge-litert", "flatbuffers"),
    int8_packages=("ai-edge-quantizer",),
    extra="executorch",
    several=True,
    write="edgebench.formats.executorch.convert:convert",
    inspect="edgebench.formats.executorch.inspect:inspect",
)
