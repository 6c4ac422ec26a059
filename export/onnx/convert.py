"""ONNX: our own writer, straight from the Graph; one file, checked by onnx.

fp16 stores the weights of layers as float16, each followed by a Cast to float32; inputs, outputs, biases, other
constants and arithmetic stay float32. The file is half as large and only the weights are rounded. A runtime
folds the casts when it loads the file, so latency is that of fp32 and loading takes a little longer; onnxruntime has
no float16 convolution on most CPUs and would run a file with float16 arithmetic slower, through casts around every
operator. int8 is in the modules beside this one.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto

from edgebench.formats.network import INPUT, LAYOUTS, Conversion, Network
from edgebench.formats.onnx.writer import OPSET, translate
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, TensorSpec

# The quantizer of int8 is part of onnxruntime, whose Linux builds send telemetry unless this is set before its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

PROTOBUF_LIMIT = 2**31  # bytes; protobuf cannot write a larger message


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` at opset 20 with input "image" (batch, C, H, W) and output "logits".

    The batch is dynamic where the network computes each image alone; else it is 1, and a warning says why. Raises
    ExportError for an operator that is not covered, for a weight that does not fit float16, and for weights that do not
    fit one file (2 GB).
    """
    model, notes = translate(network.graph, tuple(network.outputs), network.inputs, half=spec.precision == "fp16")
    report = None
    if spec.precision == "int8":
        from edgebench.formats.onnx import int8

        report, warnings = int8.write(network, model, path, save)
        model, notes = onnx.load_model(path), (*notes, *warnings)
    if spec.image_input:
        take_bytes(model)
    if report is None or spec.image_input:
        save(model, path)
    return replace(_describe(model, spec), quantization=report, warnings=notes, rewrites=dict(network.graph.rewrites))


def take_bytes(model: ModelProto) -> None:
    """Lets the network take uint8 images as they lie in memory (batch, H, W, C)."""
    graph = model.graph
    entry, inner = graph.input[0], f"{INPUT}_pixels"
    for node in graph.node:
        node.input[:] = [inner if name == entry.name else name for name in node.input]
    turn = onnx.helper.make_node("Transpose", [entry.name], [f"{INPUT}_planes"], name="planes", perm=[0, 3, 1, 2])
    widen = onnx.helper.make_node("Cast", [f"{INPUT}_planes"], [inner], name="pixels", to=onnx.TensorProto.FLOAT)
    nodes = [turn, widen, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    axes = entry.type.tensor_type.shape.dim
    channels = axes[1].dim_value
    axes[1].dim_value, axes[2].dim_value, axes[3].dim_value = axes[2].dim_value, axes[3].dim_value, channels
    entry.type.tensor_type.elem_type = onnx.TensorProto.UINT8


def save(model: ModelProto, path: Path) -> None:
    """Checks the network and writes it as one file. Raises ExportError for more than 2 GB."""
    if model.ByteSize() >= PROTOBUF_LIMIT:
        raise ExportError("the network has more than 2 GB of weights, which one ONNX file cannot hold")
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def _describe(model: ModelProto, spec: ExportSpec) -> Conversion:
    inputs = [describe(value) for value in model.graph.input]
    return Conversion(
        inputs=tuple(msgspec.structs.replace(one, layout="NHWC") if spec.image_input else one for one in inputs),
        outputs=tuple(describe(value) for value in model.graph.output),
        operators=dict(Counter(node.op_type for node in model.graph.node)),
        tool_versions={"onnx opset": str(OPSET)},
    )


def describe(value: ValueInfoProto) -> TensorSpec:
    """Returns name, shape (None where dynamic) and dtype of a graph's input or output, taken to be NCHW."""
    kind = value.type.tensor_type
    shape = tuple(size.dim_value if size.dim_value > 0 else None for size in kind.shape.dim)  # -1 is open too
    return TensorSpec(name=value.name, shape=shape, dtype=dtype(kind.elem_type), layout=LAYOUTS.get(len(shape)))


def dtype(kind: int) -> str:
    """numpy's name of an element type; "unknown" of what is no tensor, such as a sequence."""
    known = kind in onnx.helper.get_all_tensor_dtypes()
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name if known else "unknown"


def itemsize(kind: int) -> int:
    """The bytes of an element; 0 of an unknown one."""
    return np.dtype(dtype(kind)).itemsize if kind in onnx.helper.get_all_tensor_dtypes() else 0
