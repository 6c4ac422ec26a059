"""ExecuTorch on the CPU: `load(path, threads, batch)` for .pte files.

Its Python package is bound to torch, which is loaded with it.

Uses the standard library, numpy, torch and the engine only: this file is copied to devices.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import torch  # the engine's library refers to torch's

# The package's public module brings its compiler, which takes seconds to import.
from executorch.extension.pybindings import _C as engine

METHOD = "forward"
DTYPES = {0: "uint8", 1: "int8", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 11: "bool"}


def load(path: str, threads: int = 1, batch: int = 1, *, watched: bool = False) -> ExecuTorchSession:
    """Reads the file and prepares it; the number of threads is that of the whole process. `watched` times operators.

    Raises RuntimeError for a file that ExecuTorch cannot read, ValueError for a batch that it does not have.
    """
    engine._unsafe_reset_threadpool(threads)
    return ExecuTorchSession(engine._load_for_executorch(path, enable_etdump=watched), batch)


class ExecuTorchSession:
    """A program, ready to run."""

    lazy = False
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, module: Any, batch: int) -> None:
        self.version: str = version("executorch")
        self._module = module
        meta = module.method_meta(METHOD)
        self.inputs = [_described(f"input_{at}", meta.input_tensor_meta(at)) for at in range(meta.num_inputs())]
        self.outputs = [_described(f"output_{at}", meta.output_tensor_meta(at)) for at in range(meta.num_outputs())]
        if self.inputs[0]["shape"][0] != batch:
            raise ValueError(f"the batch of the network is fixed to {self.inputs[0]['shape'][0]}, not {batch}")
        self._others = [np.zeros(one["shape"], one["dtype"]) for one in self.inputs[1:]]

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Runs the network on an image, with zeros for its other inputs, or on all; returns its first output."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """Runs the network and returns a copy of every output."""
        fed = x if isinstance(x, list) else [x, *self._others]
        found = self._module.run_method(METHOD, [torch.from_numpy(np.ascontiguousarray(one)) for one in fed])
        return [each.numpy() for each in found]

    def write_times(self, path: str) -> None:
        """Writes what a watched session took in all its runs, as an ETDump."""
        self._module.write_etdump_result_to_file(path)


def _described(name: str, tensor: Any) -> dict[str, Any]:
    """Name, shape and dtype of an input or output."""
    return {"name": name, "shape": list(tensor.sizes()), "dtype": DTYPES[tensor.dtype()]}
