"""Reads an .onnx file: parsed by protobuf, checked by onnx, not run."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import msgspec
import onnx
from google.protobuf.message import DecodeError

from edgebench.formats.contents import Contents
from edgebench.formats.onnx import describe
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Layout, TensorSpec

CHANNELS = (1, 3, 4)  # of an image


def read(path: Path) -> Contents:
    """Returns what is in the file. Raises UsageError for one that is damaged or keeps its weights elsewhere."""
    model = _parse(path)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    return Contents(
        inputs=tuple(_image_layout(describe(value)) for value in graph.input if value.name not in constants),
        outputs=tuple(describe(value) for value in graph.output),
        operators=dict(Counter(node.op_type for node in graph.node)),
        weights=_weights(graph),
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


def _weights(graph: onnx.GraphProto) -> dict[str, int]:
    weights: Counter[str] = Counter()
    for tensor in graph.initializer:
        weights[onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name] += math.prod(tensor.dims)
    return dict(weights)


def _image_layout(tensor: TensorSpec) -> TensorSpec:
    """ONNX does not say which axis holds the channels: the last one does when only it is as short as colours are."""
    layout: Layout | None = tensor.layout
    if len(tensor.shape) == 4 and tensor.shape[3] in CHANNELS and tensor.shape[1] not in CHANNELS:
        layout = "NHWC"
    return msgspec.structs.replace(tensor, layout=layout)
