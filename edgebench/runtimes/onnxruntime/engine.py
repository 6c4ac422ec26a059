"""onnxruntime on the CPU: `load(path, threads, batch)` for .onnx files.

Uses the standard library, numpy and the engine only: this file is copied to devices.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

# From 1.29 on the Linux builds send telemetry unless this is set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

PROVIDERS = ["CPUExecutionProvider"]
IMAGE_AXES = 4
DTYPES = {"float": "float32", "float16": "float16", "double": "float64"}


def load(path: str, threads: int = 1, batch: int = 1) -> OnnxSession:
    """Reads the file and prepares it for the CPU.

    Raises the engine's own errors for a file that it cannot read, ValueError for an input whose batch is fixed to
    another number or whose other dimensions have no size.
    """
    return OnnxSession(onnxruntime.InferenceSession(path, options(threads), providers=PROVIDERS), batch)


def load_exact(path: str, threads: int = 1, batch: int = 1) -> OnnxSession:
    """As `load`, with int8 sums that no processor cuts off: for checks, and not for times."""
    return OnnxSession(onnxruntime.InferenceSession(path, options(threads, exact=True), providers=PROVIDERS), batch)


def options(threads: int, *, exact: bool = False) -> onnxruntime.SessionOptions:
    """How every session here runs, at `threads` threads."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = 3  # errors only
    # Spinning threads take the cores that the measurement needs: 14-24 ms instead of 8 ms with two threads.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:
        # x86 without VNNI adds two products of 8 bits in 16, which saturate, unless it may be slower; others ignore it.
        chosen.add_session_config_entry("session.x64quantprecision", "1")
    return chosen


class OnnxSession:
    """An .onnx file, ready to run."""

    lazy = True  # `run` stops at the first output
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, session: onnxruntime.InferenceSession, batch: int) -> None:
        self.version: str = onnxruntime.__version__
        self.inputs = [_sized(_describe(tensor, batch), batch) for tensor in session.get_inputs()]
        self.inputs.sort(key=lambda tensor: len(tensor["shape"]) != IMAGE_AXES)
        self.outputs = [_describe(tensor, batch) for tensor in session.get_outputs()]
        self._session = session
        self._input = self.inputs[0]["name"]
        self._others = {one["name"]: np.zeros(one["shape"], one["dtype"]) for one in self.inputs[1:]}
        self._outputs = [self.outputs[0]["name"]]

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Runs the network on an image, with zeros for its other inputs, or on all; returns its first output."""
        output: np.ndarray = self._session.run(self._outputs, self._fed(x))[0]
        return output

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """Runs the network and returns every output."""
        outputs: list[np.ndarray] = self._session.run(None, self._fed(x))
        return outputs

    def _fed(self, x: np.ndarray | list[np.ndarray]) -> dict[str, np.ndarray]:
        if isinstance(x, list):
            return {one["name"]: value for one, value in zip(self.inputs, x)}  # noqa: B905  an older Python's
        return {**self._others, self._input: x}


def _describe(tensor: Any, batch: int) -> dict[str, Any]:
    """A dimension without a size is the batch in first place, and stays unknown (None) elsewhere."""
    known = [size if isinstance(size, int) and size > 0 else None for size in tensor.shape]
    shape = [size or (None, batch)[number == 0] for number, size in enumerate(known)]
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    return {"name": tensor.name, "shape": shape, "dtype": DTYPES.get(kind, kind)}


def _sized(tensor: dict[str, Any], batch: int) -> dict[str, Any]:
    """Refuses an input that has no size, and one of images that cannot be filled with `batch` of them."""
    if None in tensor["shape"]:
        raise ValueError(f"input {tensor['name']} has shape {tensor['shape']}: only the batch may be dynamic")
    if len(tensor["shape"]) == IMAGE_AXES and tensor["shape"][0] != batch:
        raise ValueError(f"the batch of input {tensor['name']} is fixed to {tensor['shape'][0]}, not {batch}")
    return tensor
