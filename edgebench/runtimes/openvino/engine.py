"""OpenVINO on the CPU: `load(path, threads, batch)` for a folder of model.xml and model.bin.

A file whose weights are float32 is computed in float32. One with float16 or int8 weights is computed as OpenVINO does
by itself: what is float in it in half precision where the processor has that arithmetic, elsewhere in float32.

Uses the standard library, numpy and the engine only: this file is copied to devices.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

# Each import of openvino is reported through this package, unless it is not to be found.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino as openvino  # noqa: E402  # others take it from here

MODEL = "model.xml"
SHORT = ("f16", "bf16", "i8", "u8")
IMAGE_AXES = 4


def load(path: str, threads: int = 1, batch: int = 1) -> OpenVinoSession:
    """Reads the folder and prepares it for the CPU.

    Raises the engine's own errors for a folder that it cannot read, ValueError for a batch that the network does not
    have.
    """
    return OpenVinoSession(compiled(read(path), threads), batch)


def load_exact(path: str, threads: int = 1, batch: int = 1) -> OpenVinoSession:
    """As `load`, with what is float in float32: for checks, and not for times."""
    return OpenVinoSession(compiled(read(path), threads, exact=True), batch)


def read(path: str) -> Any:
    """The network in a folder."""
    return openvino.Core().read_model(os.path.join(path, MODEL))


def compiled(model: Any, threads: int = 1, *, exact: bool = False, watched: bool = False) -> Any:
    """A network ready for the CPU, at `threads` threads; `watched` times its operators."""
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # who measures says on which cores
        "PERF_COUNT": watched,
    }
    if exact or not is_short(model):
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    return openvino.Core().compile_model(model, "CPU", settings)


def is_short(model: Any) -> bool:
    """Whether some weights are stored in less than float32."""
    constants = (each for each in model.get_ops() if each.get_type_name() == "Constant")
    return any(each.get_element_type().get_type_name() in SHORT for each in constants)


class OpenVinoSession:
    """A network, ready to run."""

    lazy = False
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, model: Any, batch: int) -> None:
        self.version: str = openvino.__version__.partition("-")[0]
        self.inputs = [described(port) for port in model.inputs]
        self.outputs = [described(port) for port in model.outputs]
        if self.inputs[0]["shape"][0] != batch:
            raise ValueError(f"the batch of the network is fixed to {self.inputs[0]['shape'][0]}, not {batch}")
        self._others = [np.zeros(one["shape"], one["dtype"]) for one in self.inputs[1:]]
        self._request = model.create_infer_request()

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Runs the network on an image, with zeros for its other inputs, or on all; returns its first output."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """Runs the network and returns every output."""
        fed = x if isinstance(x, list) else [x, *self._others]
        found = self._request.infer(fed, share_inputs=True)
        return list(found.to_tuple())


def described(port: Any) -> dict[str, Any]:
    """Name, shape and dtype of an input or output."""
    return {"name": port.any_name, "shape": list(port.shape), "dtype": port.element_type.to_dtype().name}
