"""PyTorch in eager mode on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="torch",
    formats=("torch",),
    engine="edgebench.runtimes.torch.engine",
    operators="edgebench.runtimes.torch.operators:profile",
    package="torch",
)
