"""litert-torch as the converter: for networks with operators beyond the Graph, and the oracle of our own writer."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from edgebench.formats.network import Conversion, Network
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.records import ExportSpec, TensorSpec

NAME: Final = "litert-torch"


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` by litert-torch: channels last, batch 1, float32, its own names of input and output.

    Raises UsageError for another precision, MissingPackage without litert-torch, and litert-torch's own errors.
    """
    if spec.precision != "fp32":
        raise UsageError(f"converter {NAME} writes fp32, not {spec.precision}: leave `precision` or `converter` out")
    try:
        package = import_module("litert_torch")
    except ModuleNotFoundError as error:
        if error.name != "litert_torch":
            raise
        raise MissingPackage(NAME, "oracle", f"the converter {NAME}") from error
    output = network.module(torch.zeros(network.spec.input_shape))
    images = [0] if output.ndim == 4 else None
    module = package.to_channel_last_io(network.module, args=[0], outputs=images).eval()
    _, channels, height, width = network.spec.input_shape
    with redirect_stdout(sys.stderr):  # it prints its progress, and standard output is the user's
        package.convert(module, (torch.zeros(1, height, width, channels),)).export(str(path))
    return _describe(path)


def _describe(path: Path) -> Conversion:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    ((_, names),) = interpreter.get_signature_list().items()
    return Conversion(
        inputs=(_tensor_spec(names["inputs"][0], interpreter.get_input_details()[0]),),
        outputs=(_tensor_spec(names["outputs"][0], interpreter.get_output_details()[0]),),
        operators=dict(Counter(operator["op_name"] for operator in interpreter._get_ops_details())),
        tool_versions={NAME: version(NAME)},
    )


def _tensor_spec(name: str, details: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(size) for size in details["shape"])
    return TensorSpec(name=name, shape=shape, dtype="float32", layout="NHWC" if len(shape) == 4 else "NC")
