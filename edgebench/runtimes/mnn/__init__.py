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
    wheel="MNN==3.6.1",
    unneeded=("_tools.*", "MNN/tools/*"),
    noise=("The device supports:", "MNN use low precision"),
    unpacks_half=lambda isa: "fp16" not in isa,
    # Its int8 kernels of Arm and of x86 round otherwise: MobileNetV2's outputs differ by 2%.
    agreement={"int8": ("relative_l2_error", 5e-2, "relative L2 error <= 5e-2")},
)
