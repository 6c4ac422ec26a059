"""ONNX through torch's own exporter: one file, dynamic batch, checked by onnx.

fp16 stores the weights (tensors of two or more dimensions) as float16, each followed by a Cast to float32; inputs,
outputs, biases and arithmetic stay float32. The file is half as large and only the weights are rounded. A runtime
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
import onnxscript  # noqa: F401  torch's exporter needs it; here its absence is named before the work starts
import torch
from onnx import ModelProto, TensorProto, ValueInfoProto, numpy_helper

from edgebench.formats.network import INPUT, LAYOUTS, TORCH_NOISE, Conversion, Network
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, TensorSpec

# The quantizer of int8 is part of onnxruntime, whose Linux builds send telemetry unless this is set before its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

OPSET = 20
PROTOBUF_LIMIT = 2**31  # bytes; protobuf cannot write a larger message

NOISE = Noise(
    logs={**TORCH_NOISE.logs, "torch.onnx._internal.exporter._registration": "torchvision is not installed"},
    warnings=TORCH_NOISE.warnings,
)


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` at opset 20 with input "image" (batch, C, H, W) and output "logits", batch dynamic.

    Raises ExportError when a weight does not fit float16 or all of them do not fit one file (2 GB), and torch's and
    onnx's own errors for a network that they cannot express.
    """
    model = _translate(network)
    if spec.precision == "int8":
        from edgebench.formats.onnx import int8

        report, warnings = int8.write(network, model, path, save)
        if spec.image_input:
            save(take_bytes(onnx.load_model(path)), path)
        return replace(_describe(onnx.load_model(path), spec), quantization=report, warnings=warnings)
    if spec.precision == "fp16":
        store_weights_as_float16(model)
    save(take_bytes(model) if spec.image_input else model, path)
    return _describe(model, spec)


def take_bytes(model: ModelProto) -> ModelProto:
    """Lets the network take uint8 images as they lie in memory (batch, H, W, C), and returns it."""
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
    return model


def save(model: ModelProto, path: Path) -> None:
    """Checks the network and writes it as one file, without notes. Raises ExportError for more than 2 GB."""
    # torch's notes hold source lines and the paths of the machine that converted.
    graph = model.graph
    del model.metadata_props[:]
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    if model.ByteSize() >= PROTOBUF_LIMIT:
        raise ExportError("the network has more than 2 GB of weights, which one ONNX file cannot hold")
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def _translate(network: Network) -> ModelProto:
    with quiet(NOISE), torch.no_grad():
        program = torch.onnx.export(
            network.program,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(network.outputs),
        )
    if program is None:
        raise ExportError(f"torch's exporter gave no program for {network.spec.name}")
    return program.model_proto


def store_weights_as_float16(model: ModelProto) -> None:
    """Replaces each float32 initialiser of two or more dimensions by a float16 one and a Cast to the old name.

    Raises ExportError, with the weight's name, where a value is beyond float16's largest (65504).
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 2:
            name, values = tensor.name, numpy_helper.to_array(tensor)
            if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                raise ExportError(f"weight {name} has values beyond 65504, the largest of float16: export it as fp32")
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.float16"))
            kind = TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], name=f"{name}.cast", to=kind))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)


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
