"""LiteRT, formerly TensorFlow Lite, on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="litert",
    formats=("tflite",),
    engine="edgebench.runtimes.litert.engine",
    operators="edgebench.runtimes.litert.operators:profile",
    package="ai_edge_litert",
    starts="ai_edge_litert.interpreter",
    extra="tflite",
    wheel="ai-edge-litert==2.3.0",
    unneeded=("ai_edge_litert/aot/*", "ai_edge_litert/libLiteRtWebGpuAccelerator.so"),
    delegates=True,
    noise=("INFO: Created TensorFlow Lite XNNPACK delegate for CPU",),
    unpacks_half=lambda isa: True,
    units=("hexagon",),
)
