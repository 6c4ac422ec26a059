"""LiteRT (TensorFlow Lite) on the CPU, through ai-edge-litert: `load(path, threads, batch)` for .tflite files.

Uses the standard library, numpy and the engine only: this file is copied to devices.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

DELEGATE = "DELEGATE"
IMAGE_AXES = 4


def load(path: str, threads: int = 1, batch: int = 1) -> LiteRTSession:
    """Reads the file, gives it to XNNPACK where XNNPACK takes it, and allocates its tensors.

    Raises ValueError or RuntimeError, the engine's own, for a file that it cannot read.
    """
    interpreter = Interpreter(model_path=path, num_threads=threads)
    inputs = interpreter.get_input_details()
    for details in inputs:
        shape = [int(size) for size in details["shape"]]
        open_batch = list(details["shape_signature"][:1]) == [-1]
        # Beside an image, what is none and has no open batch stays as it is.
        batched = len(shape) == IMAGE_AXES or len(inputs) == 1 or open_batch
        if shape and batched and shape[0] != batch:
            interpreter.resize_tensor_input(details["index"], [batch, *shape[1:]])
    interpreter.allocate_tensors()
    return LiteRTSession(interpreter)


class LiteRTSession:
    """A .tflite file with its tensors allocated."""

    def __init__(self, interpreter: Interpreter) -> None:
        inputs = sorted(interpreter.get_input_details(), key=lambda tensor: len(tensor["shape"]) != IMAGE_AXES)
        outputs = interpreter.get_output_details()
        names: dict[str, list[str]] = next(iter(interpreter.get_signature_list().values()), {})
        operators = interpreter._get_ops_details()  # the binding has no public list of operators
        self.version = version("ai-edge-litert")
        self.inputs = _describe(inputs, names.get("inputs", []))
        self.outputs = _describe(outputs, names.get("outputs", []))
        self.delegates: int | None = sum(operator["op_name"] == DELEGATE for operator in operators)
        self.delegated_share: float | None = delegated_share(operators)
        self._interpreter = interpreter
        self._inputs, self._outputs = ([tensor["index"] for tensor in ends] for ends in (inputs, outputs))
        for other in inputs[1:]:
            interpreter.set_tensor(other["index"], np.zeros(other["shape"], other["dtype"]))

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Copies `x` in, an image or a list of all inputs, invokes, and returns a copy of the first output."""
        for index, value in zip(self._inputs, x if isinstance(x, list) else [x]):  # noqa: B905  an older Python's
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        output: np.ndarray = self._interpreter.get_tensor(self._outputs[0])
        return output

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """As `run`, and returns a copy of every output."""
        self.run(x)
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _describe(details: list[dict[str, Any]], signature: list[str]) -> list[dict[str, Any]]:
    """The signature's name is the one that users know; with several tensors its order says nothing, so theirs stay."""
    names = signature if len(signature) == len(details) == 1 else [str(tensor["name"]) for tensor in details]
    return [
        {"name": name, "shape": [int(size) for size in tensor["shape"]], "dtype": np.dtype(tensor["dtype"]).name}
        for name, tensor in zip(names, details)  # noqa: B905  a board's Python may not know strict=
    ]


def delegated_share(operators: list[dict[str, Any]]) -> float:
    """The share of a file's operators that delegates took, in [0, 1]; 0 for a file without operators.

    After allocation the list holds the file's operators and, besides, one DELEGATE for each group it replaces. An
    operator belongs to a delegate when it lies between that delegate's outputs and its inputs.
    """
    own = [operator for operator in operators if operator["op_name"] != DELEGATE]
    makers = {int(tensor): number for number, operator in enumerate(own) for tensor in operator["outputs"]}
    taken: set[int] = set()
    for delegate in operators:
        if delegate["op_name"] == DELEGATE:
            taken |= _between(delegate, own, makers)
    return len(taken) / len(own) if own else 0.0


def _between(delegate: dict[str, Any], own: list[dict[str, Any]], makers: dict[int, int]) -> set[int]:
    """The numbers of the operators from which the delegate's outputs are computed, back to its inputs."""
    edge = {int(tensor) for tensor in delegate["inputs"]}
    found: set[int] = set()
    waiting = [int(tensor) for tensor in delegate["outputs"]]
    while waiting:
        number = makers.get(waiting.pop())
        if number is not None and number not in found:
            found.add(number)
            waiting += [int(tensor) for tensor in own[number]["inputs"] if int(tensor) not in edge]
    return found
