"""MNN on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="mnn",
    formats=("mnn",),
    engine="edgebench.runtimes.mnn.engine",
    operators="edgebench.runtimes.mnn.operators:profile",
    package="MNN",
    extra="mnn",
    noise=("The device supports:", "MNN use low precision"),
    unpacks_half=lambda isa: "fp16" not in isa,
)
