"""ExecuTorch on the CPU, by its XNNPACK delegate."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="executorch",
    formats=("executorch",),
    engine="edgebench.runtimes.executorch.engine",
    operators="edgebench.runtimes.executorch.operators:profile",
    package="executorch",
    extra="executorch",
    noise=(r"\[cpuinfo_utils\.cpp", r"\[threadpool\.cpp"),
)
