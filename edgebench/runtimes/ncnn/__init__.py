"""ncnn on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="ncnn",
    formats=("ncnn",),
    engine="edgebench.runtimes.ncnn.engine",
    package="ncnn",
    extra="ncnn",
    wheel="ncnn==1.0.20261020",
    unneeded=("ncnn/model_zoo/*",),
    # Without half-precision arithmetic: an emulated Cortex-A72 executes 0.2% more than for the fp32 file.
    unpacks_half=lambda isa: "fp16" not in isa,
    kernels=("winograd", "normalize", "silu", "packed"),
    threads_apart=True,
    counted=True,
    # It rounds halves otherwise on Arm than on x86, layer after layer: MobileNetV2's outputs differ by 3% there.
    agreement={"int8": ("relative_l2_error", 8e-2, "relative L2 error <= 8e-2")},
)
