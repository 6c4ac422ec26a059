"""OpenVINO on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="openvino",
    formats=("openvino",),
    engine="edgebench.runtimes.openvino.engine",
    operators="edgebench.runtimes.openvino.operators:profile",
    package="openvino",
    extra="openvino",
    wheel="openvino==2026.4.1",
    unneeded=("openvino/include/*", "openvino/tools/*", "openvino/libs/libopenvino_[!ai]*"),  # readers of other formats
)
