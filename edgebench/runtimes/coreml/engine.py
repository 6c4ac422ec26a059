"""CoreML on a Mac, through coremltools: `load(path, threads, batch)` for .mlpackage folders.

Uses the standard library, numpy and the engine only, like every runtime.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


class NotOnThisSystem(RuntimeError):
    """CoreML is part of macOS."""


def load(path: str, threads: int = 1, batch: int = 1) -> CoreMLSession:
    """Compiles the package for this Mac. CoreML chooses its threads itself, on CPU, GPU or Neural Engine.

    Raises NotOnThisSystem elsewhere, ValueError for a batch that the package does not have or an image as its input,
    and the engine's own errors for a package that it cannot read.
    """
    if sys.platform != "darwin":
        raise NotOnThisSystem("CoreML runs on macOS only; the package's parity was checked by edgebench's evaluator")
    import coremltools

    return CoreMLSession(coremltools.models.MLModel(path), coremltools.__version__, batch)


class CoreMLSession:
    """A compiled package, ready to run."""

    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, model: Any, version: str, batch: int) -> None:
        description = model.get_spec().description
        self.version = version
        self.inputs = [_describe(tensor) for tensor in description.input]
        self.outputs = [_describe(tensor) for tensor in description.output]
        if self.inputs[0]["shape"][0] != batch:
            raise ValueError(f"the batch of the package is fixed to {self.inputs[0]['shape'][0]}, not {batch}")
        self._model = model
        self._input = self.inputs[0]["name"]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Predicts, and returns the first output."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """Predicts, and returns every output."""
        found = self._model.predict({self._input: x})
        return [found[output["name"]] for output in self.outputs]


def _describe(tensor: Any) -> dict[str, Any]:
    if tensor.type.WhichOneof("Type") != "multiArrayType":
        raise ValueError(f"{tensor.name} is an image; only packages with an array as input can be run here")
    return {"name": tensor.name, "shape": [int(size) for size in tensor.type.multiArrayType.shape], "dtype": "float32"}
