"""Runs a saved CoreML package on any system, operator by operator, with torch.

It reads the package from disk, weights file included, so it finds what conversion and saving got wrong. It computes
in float32 and rounds each result to the type that the package declares for it; it does not reproduce Apple's own
arithmetic on a CPU, GPU or Neural Engine.
"""

from __future__ import annotations

from collections import ChainMap
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgebench.formats.coreml.mil_operators import OPERATORS
from edgebench.formats.coreml.noise import NOISE
from edgebench.formats.examples import apart
from edgebench.formats.inside import Inside
from edgebench.formats.native import joined
from edgebench.formats.quiet import quiet
from edgebench.ground.errors import Uncheckable

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


def inside(path: Path) -> Inside:
    """A function that gives what every operator of a package computes for one input (1, C, H, W), in order."""
    program = load_package(path)
    return lambda x: list(program.activations(x).items())[len(program.inputs) :]


class Program:
    """The main function of a saved package: its constants, and its operators in order."""

    name = NAME

    def __init__(self, function: Any) -> None:
        self._function = function
        constant = {operator for operator in function.operations if is_constant(operator)}
        self._constants: dict[Any, Any] = {}
        for operator in constant:
            output = operator.outputs[0]
            value = output.val if operator.op_type == "const" else operator.materialized_val_inference()
            if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind == "f":
                value = torch.from_numpy(np.require(value, np.float32, ["C", "W"]))
            self._constants[output] = value  # shapes, names and scalars stay as they are
        self._operators = [operator for operator in function.operations if operator not in constant]
        missing = sorted({operator.op_type for operator in self._operators} - OPERATORS.keys())
        if missing:
            raise Uncheckable(
                f"the file cannot be compared with torch here: edgebench's evaluator has no {' and no '.join(missing)} "
                "of CoreML; `unchecked` publishes it, to be tried on a Mac"
            )

    @property
    def inputs(self) -> list[Any]:
        """The variables that the package takes."""
        return list(self._function.inputs.values())

    @property
    def outputs(self) -> list[Any]:
        """The variables that the package returns."""
        return list(self._function.outputs)

    @property
    def operators(self) -> list[Any]:
        """The operators in order, without constants, as coremltools describes them."""
        return list(self._operators)

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Evaluates the package on `x` in the shape that it declares; returns its outputs, several as one."""
        computed = self._evaluate(x)
        return joined([computed[output].numpy() for output in self._function.outputs])

    def activations(self, x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """What flows between the operators while the package is evaluated on `x`, the input included, by name."""
        computed = self._evaluate(x)
        return {variable.name: value.numpy() for variable, value in computed.items() if isinstance(value, torch.Tensor)}

    @torch.inference_mode()
    def _evaluate(self, x: npt.NDArray[np.float32]) -> dict[Any, Any]:
        parts = apart(x, [variable.shape[1:] for variable in self.inputs])
        computed: dict[Any, Any] = {
            variable: _rounded(torch.from_numpy(part), variable)
            for variable, part in zip(self.inputs, parts, strict=True)
        }
        values = ChainMap(computed, self._constants)
        for operator in self._operators:
            arguments = {
                name: [values[one] for one in given] if isinstance(given, list | tuple) else values[given]
                for name, given in operator.inputs.items()
                if given is not None
            }
            results = OPERATORS[operator.op_type](arguments)
            for output, result in zip(
                operator.outputs, results if isinstance(results, tuple) else [results], strict=True
            ):
                values[output] = _rounded(result, output)
        return computed


def is_constant(operator: Any) -> bool:
    """Whether an operator only holds a constant, perhaps in less than it is read as."""
    return operator.op_type == "const" or bool(operator.op_type.startswith("constexpr_"))


def _rounded(value: torch.Tensor, variable: Any) -> torch.Tensor:
    """Rounds to float16 and back where the package declares float16."""
    types = ct.converters.mil.mil.types
    if variable.dtype == types.int32:
        return value.int()
    return value.half().float() if variable.dtype == types.fp16 else value
