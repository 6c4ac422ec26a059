"""PyTorch in eager mode on the CPU: `load(path, threads, batch)` for .pt2 files written by torch.export.save.

Uses the standard library, numpy and torch only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def load(path: str, threads: int = 1, batch: int = 1) -> TorchSession:
    """Reads an exported program and sets the number of threads of this process.

    Raises the engine's own errors for a file that it cannot read, ValueError for a batch that the file does not have.
    """
    torch.set_num_threads(threads)
    program = torch.export.load(path)
    return TorchSession(program, batch)


class TorchSession:
    """An exported program as an eager module."""

    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, program: torch.export.ExportedProgram, batch: int) -> None:
        signature = program.graph_signature
        values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
        self.version: str = torch.__version__
        self.inputs = [_describe(name, values[name], batch) for name in signature.user_inputs if name in values]
        self.outputs = [_describe(name, values[name], batch) for name in signature.user_outputs if name in values]
        self._others = [np.zeros(one["shape"], one["dtype"]) for one in self.inputs[1:]]
        self._module = program.module()

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Runs the network and returns its first output."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """Runs the network on an image, with zeros for its other inputs, or on all; returns every output."""
        given = x if isinstance(x, list) else [x, *self._others]
        with torch.inference_mode():
            found = self._module(*map(torch.from_numpy, given))
        return [output.numpy() for output in (found if isinstance(found, (tuple, list)) else [found])]


def _describe(name: Any, value: torch.Tensor, batch: int) -> dict[str, Any]:
    shape = [int(size) if isinstance(size, int) else batch for size in value.shape]
    if shape and shape[0] != batch:
        raise ValueError(f"the batch of {name} is fixed to {shape[0]}, not {batch}")
    return {"name": str(name), "shape": shape, "dtype": str(value.dtype).removeprefix("torch.")}
