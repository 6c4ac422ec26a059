"""The operators of an .mlpackage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.formats.coreml.evaluate import is_constant, load_package
from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.network import LAYOUTS
from edgebench.ground.errors import ExportError, UsageError
from edgebench.ground.records import TensorSpec

MANIFEST = "Manifest.json"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
CONVERSIONS = ("quantize", "dequantize", "cast")
SHAPES = ("reshape", "transpose", "squeeze", "expand_dims", "slice_by_index", "pad", "identity")
ROUNDED = ("conv", "linear", "add", "avg_pool", "max_pool")  # what coremltools gives 8-bit inputs to
FUSED = ("relu", "relu6", "leaky_relu", "tanh", "sigmoid")  # with the operator before them


def inspect(path: Path) -> Inspected:
    """Returns what is in the package. Raises UsageError for one that is damaged or has an unknown operator."""
    if not (path / MANIFEST).is_file():
        raise UsageError(f"{path} is not a CoreML package: {MANIFEST} is missing in it")
    if not any(path.glob("Data/**/*.mlmodel")):
        raise UsageError(f"{path} is a part of a CoreML package: {MODEL} is missing in it")
    try:
        program = load_package(path)
    except ExportError as error:
        raise UsageError(f"{path} cannot be inspected: {error}") from error
    except Exception as error:  # coremltools' own, of any kind, for what is not a package
        lacking = "" if (path / WEIGHTS).is_file() else f", {WEIGHTS} is missing in it"
        raise UsageError(f"{path} is damaged{lacking}: copy or export it again") from error
    return Inspected(
        inputs=tuple(_tensor(one) for one in program.inputs),
        outputs=tuple(_tensor(one) for one in program.outputs),
        operators=tuple(_operator(one) for one in program.operators),
        int8_kinds=ROUNDED,
    )


def _tensor(variable: Any) -> TensorSpec:
    shape = tuple(int(size) for size in variable.shape)
    return TensorSpec(name=variable.name, shape=shape, dtype="float32", layout=LAYOUTS.get(len(shape)))


def _operator(operator: Any) -> Operator:
    (output,) = operator.outputs
    given: list[Any] = []
    for value in operator.inputs.values():
        if value is not None:
            given += value if isinstance(value, list | tuple) else [value]
    constant = [one for one in given if one.op is not None and is_constant(one.op)]
    return Operator(
        name=operator.name,
        kind=operator.op_type,
        computes=_computes(operator),
        inputs=tuple(one.name for one in given if one not in constant),
        outputs=(output.name,),
        shape=tuple(int(size) for size in output.shape),
        weights=_weights(constant),
    )


def _computes(operator: Any) -> str:
    if operator.op_type in CONVERSIONS:
        return CONVERSION
    if operator.op_type in SHAPES:
        return SHAPE
    maker = operator.inputs["x"].op if operator.op_type in (*ROUNDED, *FUSED) else None
    if operator.op_type in FUSED:
        # It is one with the operator before it where everything that reads it rounds it first.
        rounded = {reader.op_type for reader in operator.outputs[0].child_ops} == {"quantize"}
        return INT8 if maker is not None and maker.op_type in ROUNDED and rounded else _float(operator)
    if maker is not None and maker.op_type == "dequantize":
        return INT8
    return _float(operator)


def _float(operator: Any) -> str:
    return FP16 if operator.outputs[0].dtype.__name__ == "fp16" else FP32


def _weights(constants: list[Any]) -> dict[str, int]:
    """Bytes of float and 8-bit arrays by type; whole numbers of 32 bits are options, not weights."""
    found: Counter[str] = Counter()
    for variable in constants:
        given = variable.op.inputs.values()
        stored = [variable] if variable.op.op_type == "const" else [one for one in given if one is not None]
        for values in (one.val for one in stored):
            if isinstance(values, np.ndarray) and values.ndim and (values.dtype.kind == "f" or values.itemsize == 1):
                found[values.dtype.name] += values.nbytes
    return dict(found)
