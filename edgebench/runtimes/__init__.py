"""The engines that run a file: one module each, `load(path, threads=1, batch=1)` -> session, `session.run(x)`.

An engine's module uses the standard library, numpy and the engine only, so that it can be copied to a device and
loaded there by its path, beside the worker.
"""

from __future__ import annotations

import platform
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from edgebench.ground.registry import Registry

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FORMATS", "PACKAGES", "RUNTIMES", "Session", "install_hint", "unavailable"]

EXTRAS = {"litert": "tflite", "onnxruntime": "onnx", "coreml": "coreml", "ncnn": "ncnn"}
RUNTIMES = Registry(
    "runtime",
    {
        "litert": "edgebench.runtimes.litert:load",
        "onnxruntime": "edgebench.runtimes.onnxruntime:load",
        "torch": "edgebench.runtimes.torch_eager:load",
        "coreml": "edgebench.runtimes.coreml:load",
        "ncnn": "edgebench.runtimes.ncnn:load",
        "fake": "edgebench.runtimes.fake:load",
    },
    extras=EXTRAS,
)

# The package that a runtime's engine comes in.
PACKAGES = {
    "litert": "ai_edge_litert",
    "onnxruntime": "onnxruntime",
    "torch": "torch",
    "coreml": "coremltools",
    "ncnn": "ncnn",
}

# Which runtime runs which format.
FORMATS = {"tflite": "litert", "onnx": "onnxruntime", "coreml": "coreml", "torch": "torch", "ncnn": "ncnn"}


def unavailable(runtime: str) -> str | None:
    """Why a runtime cannot run files on this machine, in one sentence, or None when it can; nothing is imported."""
    if runtime == "coreml" and platform.system() != "Darwin":
        return "CoreML runs files on a Mac only; elsewhere the saved package is evaluated and compared with torch"
    package = PACKAGES.get(runtime)
    if package is None or find_spec(package) is not None:
        return None
    return f"runtime {runtime} needs the package {package}: {install_hint(runtime, package)}"


def install_hint(runtime: str, package: str) -> str:
    """The command that installs what a runtime lacks."""
    return f"pip install 'edgebench[{EXTRAS[runtime]}]'" if runtime in EXTRAS else f"pip install {package}"


class Session(Protocol):
    """A loaded network, ready to run.

    `inputs` and `outputs` are lists of {"name": str, "shape": [int], "dtype": str}, with a dynamic batch resolved to
    the batch that the session was loaded with. `delegates` counts the delegates that took operators, and
    `delegated_share` is the share of operators they took; both are None where the engine has no delegates.
    """

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    version: str
    delegates: int | None
    delegated_share: float | None

    def run(self, x: np.ndarray) -> np.ndarray:
        """Runs the network on `x`, in the file's own layout and dtype, and returns its first output."""
