"""Reads an .onnx file: parsed by protobuf and checked by onnx; and what onnxruntime makes of it on this machine."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import NodeProto

from edgebench.formats.foreign import Contents
from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.onnx.convert import describe
from edgebench.formats.onnx.layers import Flow
from edgebench.formats.onnx.static import OPERATORS
from edgebench.ground.errors import UsageError
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

CHANNELS = (1, 3, 4)  # of an image
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
SHAPES = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Pad", "Identity", "Constant", "Shape")
HALF = onnx.TensorProto.FLOAT16
WHOLE = ("ConvInteger", "MatMulInteger")


def foreign(path: Path) -> Contents:
    """Returns what is in the file. Raises UsageError for one that is damaged or keeps its weights elsewhere."""
    model = _parse(path)
    graph = model.graph
    weights: Counter[str] = Counter()
    for tensor in graph.initializer:
        weights[onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name] += math.prod(tensor.dims)
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [describe(value) for value in graph.input if value.name not in constants]
    for number, one in enumerate(inputs):
        # ONNX does not say which axis holds the channels: the last one does when only it is as short as colours are.
        if len(one.shape) == 4 and one.shape[3] in CHANNELS and one.shape[1] not in CHANNELS:
            inputs[number] = msgspec.structs.replace(one, layout="NHWC")
    return Contents(
        inputs=tuple(inputs),
        outputs=tuple(describe(value) for value in graph.output),
        operators=dict(Counter(node.op_type for node in graph.node)),
        weights=dict(weights),
        tool_versions={one.domain or "onnx opset": str(one.version) for one in model.opset_import},
    )


def _parse(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise UsageError(f"{path} is not an ONNX file, or a part of one: download or export it again") from error
    elsewhere = [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    if elsewhere:
        raise UsageError(f"{path} keeps weights in another file ({elsewhere[0]}): save it as one file with onnx.save")
    if not model.graph.output:
        raise UsageError(f"{path} has no output: it is not an ONNX network, or a part of one")
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UsageError(f"{path} is not a valid ONNX network: {str(error).strip().splitlines()[0]}") from error
    return model


def inspect(path: Path) -> Inspected:
    """Returns what is in the file. Raises UsageError for one that is damaged."""
    contents = foreign(path)
    model = onnx.load_model(path)
    flow = Flow(model)
    shapes = {value.name: describe(value).shape for value in (*model.graph.value_info, *model.graph.output)}
    return Inspected(
        inputs=contents.inputs,
        outputs=contents.outputs,
        operators=tuple(_operator(node, flow, shapes) for node in model.graph.node if not _unpacks(node, flow)),
        int8_kinds=OPERATORS,
        runs=_optimised(path),
    )


def _operator(node: NodeProto, flow: Flow, shapes: dict[str, tuple[int | None, ...]]) -> Operator:
    weight = flow.weight(node)
    name = weight.removesuffix("_quantized").removesuffix(".weight") if weight else node.output[0]
    return Operator(
        name=name,
        kind=node.op_type,
        computes=_computes(node, flow),
        inputs=tuple(one for one in node.input if one not in flow.constants),
        outputs=tuple(node.output),
        shape=shapes.get(node.output[0], ()),
        weights=_weights(node, flow),
    )


def _computes(node: NodeProto, flow: Flow) -> str:
    if node.op_type in CONVERSIONS:
        return CONVERSION
    if node.op_type in SHAPES:
        return SHAPE
    if node.op_type in WHOLE or node.op_type.startswith("QLinear") or flow.dequantized(node):
        return INT8
    halves = any(name in flow.constants and flow.constants[name].data_type == HALF for name in node.input)
    return FP16 if halves else FP32


def _weights(node: NodeProto, flow: Flow) -> dict[str, int]:
    """Bytes of the constants that an operator reads, by the type that they have before they are unpacked."""
    found: Counter[str] = Counter()
    for name in [] if _unpacks(node, flow) else node.input:
        maker = flow.makers.get(name)
        stored = maker.input if maker is not None and _unpacks(maker, flow) else [name]
        for constant in (one for one in stored if one in flow.constants):
            values = onnx.numpy_helper.to_array(flow.constants[constant])
            found[np.dtype(values.dtype).name] += values.nbytes
    return dict(found)


def _unpacks(node: NodeProto, flow: Flow) -> bool:
    """Whether a conversion only unpacks a constant, and so belongs to whoever reads it."""
    return node.op_type in CONVERSIONS and node.input[0] in flow.constants


def _optimised(path: Path) -> dict[str, int]:
    """Counts the operators that onnxruntime runs here, after it has fused and replaced what it can."""
    with TemporaryDirectory() as folder:
        settings = options(1)
        settings.optimized_model_filepath = str(Path(folder) / "run.onnx")
        onnxruntime.InferenceSession(str(path), settings, providers=PROVIDERS)
        run = onnx.load_model(settings.optimized_model_filepath)
    return dict(Counter(node.op_type for node in run.graph.node))
