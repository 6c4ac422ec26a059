"""torch's own exported programs."""

from __future__ import annotations

from edgebench.formats.format import Format

FORMAT = Format(
    name="torch",
    suffix=".pt2",
    precisions=("fp32",),
    several=True,
    write="edgebench.formats.torch.convert:convert",
    source="edgebench.formats.torch.source:module",
)
