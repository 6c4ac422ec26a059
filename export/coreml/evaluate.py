"""Runs a saved CoreML package on any system, operator by operator, with torch.

It reads the package from disk, weights file included, so it finds what conversion and saving got wrong. It computes
in float32 and rounds each result to the type that the package declares for it; it does not reproduce Apple's own
arithmetic on a CPU, GPU or Neural Engine.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgebench.errors import ExportError
from edgebench.export.coreml import NOISE
from edgebench.export.coreml.mil_operators import OPERATORS
from edgebench.export.quiet import quiet

with quiet(NOISE):
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load as load_program

NAME = f"edgebench's evaluator of CoreML operators (coremltools {version('coremltools')})"


def load_package(path: Path) -> Program:
    """Reads an .mlpackage. Raises ExportError for an operator that the evaluator does not have, by its name."""
    with quiet(NOISE):
        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = model.get_spec()
        program = load_program(
            spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir
        )
    return Program(program.functions[program.default_function_name])


class Program:
    """The main function of a saved package: its constants, and its operators in order."""

    name = NAME

    def __init__(self, function: Any) -> None:
        self._function = function
        constant = {operator for operator in function.operations if operator.op_type == "const"}
        self._constants = {operator.outputs[0]: _constant(operator.outputs[0].val) for operator in constant}
        self._operators = [operator for operator in function.operations if operator not in constant]
        missing = sorted({operator.op_type for operator in self._operators} - OPERATORS.keys())
        if missing:
            raise ExportError(f"parity cannot be checked: no evaluation of the CoreML operators {', '.join(missing)}")

    @torch.inference_mode()
    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Evaluates the package on `x` in the shape that it declares; returns its first output in float32."""
        (image,) = self._function.inputs.values()
        values: dict[Any, Any] = {**self._constants, image: _rounded(torch.from_numpy(x), image)}
        for operator in self._operators:
            (output,) = operator.outputs
            arguments = {name: _value(given, values) for name, given in operator.inputs.items() if given is not None}
            values[output] = _rounded(OPERATORS[operator.op_type](arguments), output)
        result: npt.NDArray[np.float32] = values[self._function.outputs[0]].numpy()
        return result


def _constant(value: Any) -> Any:
    """Float arrays become float32 tensors; shapes, names and scalars stay as they are."""
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind == "f":
        return torch.from_numpy(np.ascontiguousarray(value, np.float32))
    return value


def _value(given: Any, values: dict[Any, Any]) -> Any:
    return [values[one] for one in given] if isinstance(given, list | tuple) else values[given]


def _rounded(value: torch.Tensor, variable: Any) -> torch.Tensor:
    """Rounds to float16 and back where the package declares float16."""
    half = ct.converters.mil.mil.types.fp16
    return value.half().float() if variable.dtype == half else value
