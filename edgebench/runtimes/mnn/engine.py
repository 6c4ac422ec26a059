"""MNN on the CPU: `load(path, threads, batch)` for .mnn files.

A file that edgebench wrote with float16 weights is computed in half precision where the processor has that arithmetic,
every other in float32.

Uses the standard library, numpy and the engine only: this file is copied to devices.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any

import MNN
import numpy as np

STOPPED = "MNN stopped: an operator failed, or memory ran out"
Watch = Callable[[Any, Any], None]  # of tensors, and the operator
HALF = "edgebench-fp16"  # what a file of float16 weights says of itself, as its bizCode


def load(path: str, threads: int = 1, batch: int = 1) -> MnnSession:
    """Reads the file and prepares it for the CPU.

    Raises ValueError for a file that MNN cannot read, and for a batch that it does not have.
    """
    return MnnSession(path, threads, batch, half=said(path) == HALF)


def load_exact(path: str, threads: int = 1, batch: int = 1) -> MnnSession:
    """As `load`, in float32: for checks, and not for times."""
    return MnnSession(path, threads, batch, half=False)


def said(path: str) -> str:
    """The bizCode of a file, the first field of its flatbuffer; empty where there is none, or it is no flatbuffer."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        (root,) = struct.unpack_from("<I", content)
        (back,) = struct.unpack_from("<i", content, root)
        (offset,) = struct.unpack_from("<H", content, root - back + 4)
        (there,) = struct.unpack_from("<I", content, root + offset)
        (length,) = struct.unpack_from("<I", content, root + offset + there)
    except struct.error:
        return ""
    start = root + offset + there + 4
    return content[start : start + length].decode(errors="replace") if offset else ""


class MnnSession:
    """A network, ready to run."""

    lazy = False
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, path: str, threads: int, batch: int, *, half: bool) -> None:
        self.version: str = MNN.version()
        # It reads what is no network too, and then crashes where that is used.
        self._network = MNN.Interpreter(path)
        settings = {"backend": "CPU", "numThread": threads, "precision": "low" if half else "normal"}
        self._session = self._network.createSession(settings)
        self._sources = self._network.getSessionInputAll(self._session)
        self._results = self._network.getSessionOutputAll(self._session)
        self.inputs = [described(name, tensor) for name, tensor in self._sources.items()]
        self.outputs = [described(name, tensor) for name, tensor in self._results.items()]
        if self.inputs[0]["shape"][0] != batch:
            raise ValueError(f"the batch of the network is fixed to {self.inputs[0]['shape'][0]}, not {batch}")

    def run(self, x: np.ndarray) -> np.ndarray:
        """Runs the network and returns its first output."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """Runs the network and returns every output. Raises RuntimeError where MNN stops."""
        self._feed(x)
        if self._network.runSession(self._session):
            raise RuntimeError(STOPPED)
        return [self._read(tensor) for tensor in self._results.values()]

    def inside(self, x: np.ndarray, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Runs the network and returns what its operators gave, or those of `names`, in order; raises as `run_all`."""
        found: dict[str, np.ndarray] = {}

        def after(tensors: Any, operator: Any) -> None:
            if names is None or operator.getName() in names:
                found[operator.getName()] = self._read(tensors[0])

        self.watched(x, lambda tensors, operator: None, after)
        return found

    def watched(self, x: np.ndarray, before: Watch, after: Watch) -> None:
        """Runs the network with calls around each operator, of its inputs and of its outputs; raises as `run_all`."""
        self._feed(x)
        calls = (lambda *given, one=one: one(*given) is None for one in (before, after))  # False would end the run
        if self._network.runSessionWithCallBackInfo(self._session, *calls):
            raise RuntimeError(STOPPED)

    def _feed(self, x: np.ndarray) -> None:
        (source,) = self._sources.values()
        source.copyFrom(_held(np.ascontiguousarray(x)))

    def _read(self, tensor: Any) -> np.ndarray:
        values = np.empty(tensor.getShape(), np.float32)
        held = _held(values)
        tensor.copyToHostTensor(held)
        return np.array(held.getNumpyData(), np.float32).reshape(values.shape)


def _held(values: np.ndarray) -> Any:
    """A tensor of the engine's with these values, in the order in which they lie."""
    return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, MNN.Tensor_DimensionType_Caffe)


def described(name: str, tensor: Any) -> dict[str, Any]:
    """Name, shape and dtype of an input or output."""
    return {"name": name, "shape": list(tensor.getShape()), "dtype": "float32"}
