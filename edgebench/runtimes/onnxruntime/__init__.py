"""onnxruntime on the CPU."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="onnxruntime",
    formats=("onnx",),
    engine="edgebench.runtimes.onnxruntime.engine",
    operators="edgebench.runtimes.onnxruntime.operators:profile",
    package="onnxruntime",
    extra="onnx",
    libraries=("onnx",),
    wheel="onnxruntime==1.31.1",
    unneeded=(
        "onnxruntime/transformers/*",
        "onnxruntime/tools/*",
        "onnxruntime/quantization/*",
        "onnxruntime/capi/libonnxruntime.so*",
    ),
)
