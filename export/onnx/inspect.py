"""Reads an .onnx file: parsed by protobuf and checked by onnx; and what onnxruntime makes of it on this machine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import NodeProto

from edgebench.formats.foreign import Contents
from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.onnx.convert import describe, dtype, itemsize
from edgebench.formats.onnx.layers import Flow
from edgebench.formats.onnx.static import OPERATORS
from edgebench.ground.errors import UsageError, first_line
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

CHANNELS = (1, 3, 4)  # of an image
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
SHAPES = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Pad", "Identity", "Constant", "Shape")
HALF = onnx.TensorProto.FLOAT16
WHOLE = ("ConvInteger", "MatMulInteger")
OWN_MARK, OWN_FORMAT = slice(4, 8), b"ORTM"  # where onnxruntime's own format says that it is that


def foreign(path: Path) -> Contents:
    """Returns what is in the file. Raises UsageError for one that is damaged, or that onnxruntime refuses as a whole.

    Weights beside the file are part of it; elsewhere they are not looked for.
    """
    model = parse(path)
    if wrong := _invalid(model):
        _, why_not = _optimised(path)  # the checker is stricter than the engine, which has the last word
        if why_not:
            raise UsageError(f"{path} is not a network that runs: {wrong}; and {why_not}")
    return _contents(model, path)


def _contents(model: onnx.ModelProto, path: Path) -> Contents:
    graph = model.graph
    weights: Counter[str] = Counter()
    for tensor in graph.initializer:
        weights[dtype(tensor.data_type)] += math.prod(tensor.dims)
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
        beside=beside(model, path),
    )


def parse(path: Path) -> onnx.ModelProto:
    """The file without weights that lie beside it. Raises UsageError for one that is damaged, or a part of one."""
    try:
        own = path.read_bytes()[OWN_MARK] == OWN_FORMAT
        model = _converted(path) if own else onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise UsageError(f"{path} is not an ONNX file, or a part of one: download or export it again") from error
    if not (model.graph.output and model.graph.node):
        raise UsageError(f"{path} has no output: it is not an ONNX network, or a part of one")
    if any(isinstance(name, bytes) for name in _names(model)):
        raise UsageError(f"{path} has a name that is no text: it is damaged, so download or export it again")
    return model


def _converted(path: Path) -> onnx.ModelProto:
    """A file in onnxruntime's own format, as onnxruntime writes it in ONNX's. Raises UsageError where it cannot."""
    with TemporaryDirectory() as folder:
        settings = options(1)
        settings.log_severity_level = 4
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        settings.optimized_model_filepath = str(Path(folder) / "converted.onnx")
        settings.add_session_config_entry("session.save_model_format", "ONNX")
        try:
            onnxruntime.InferenceSession(str(path), settings, providers=PROVIDERS)
        except Exception as error:  # the engine's own have no other base
            raise UsageError(f"onnxruntime does not load {path}: {first_line(error)}") from error
        model = onnx.load_model(settings.optimized_model_filepath)
    model.graph.name = model.graph.name or path.stem
    return model


def _names(model: onnx.ModelProto) -> Iterator[str | bytes]:
    """All that a reader takes for text; protobuf hands out as bytes what is none."""
    graph = model.graph
    yield from (each.domain for each in model.opset_import)
    yield from (each.name for each in (*graph.input, *graph.output, *graph.value_info, *graph.initializer))
    for node in graph.node:
        yield from (node.op_type, node.name, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)


def _invalid(model: onnx.ModelProto) -> str:
    """What onnx's checker says against a network, in one line."""
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    return ""


def beside(model: onnx.ModelProto, path: Path) -> tuple[Path, ...]:
    """The files that hold its weights. Raises UsageError for one that is not there, or is not in the file's folder."""
    found: dict[str, Path] = {}
    for tensor in model.graph.initializer:
        for name in [entry.value for entry in tensor.external_data if entry.key == "location"]:
            file = path.parent / name
            if path.parent.resolve() not in file.resolve().parents:
                raise UsageError(f"{path} keeps weights ({tensor.name}) in {name}, which is outside its folder")
            if not file.is_file():
                raise UsageError(f"{path} keeps weights ({tensor.name}) in {name}, which is not there: put it there")
            found[name] = file
    return tuple(found.values())


def inspect(path: Path) -> Inspected:
    """Returns what is in the file, and what onnxruntime makes of it or says against it.

    Raises UsageError for one that is damaged.
    """
    model = parse(path)
    contents = _contents(model, path)
    flow = Flow(model)
    shapes = {value.name: describe(value).shape for value in (*model.graph.value_info, *model.graph.output)}
    runs, why_not = _optimised(path)
    return Inspected(
        inputs=contents.inputs,
        outputs=contents.outputs,
        operators=tuple(_operator(node, flow, shapes) for node in model.graph.node if not _unpacks(node, flow)),
        int8_kinds=OPERATORS,
        runs=runs,
        notes=(why_not,) if why_not else (),
    )


def _operator(node: NodeProto, flow: Flow, shapes: dict[str, tuple[int | None, ...]]) -> Operator:
    weight = flow.weight(node)
    written = node.output[0] if node.output else node.name
    name = weight.removesuffix("_quantized").removesuffix(".weight") if weight else written
    return Operator(
        name=name,
        kind=node.op_type,
        computes=_computes(node, flow),
        inputs=tuple(one for one in node.input if one not in flow.constants),
        outputs=tuple(node.output),
        shape=shapes.get(written, ()),
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
            tensor = flow.constants[constant]
            found[dtype(tensor.data_type)] += math.prod(tensor.dims) * itemsize(tensor.data_type)
    return dict(found)


def _unpacks(node: NodeProto, flow: Flow) -> bool:
    """Whether a conversion only unpacks a constant, and so belongs to whoever reads it."""
    return node.op_type in CONVERSIONS and bool(node.input) and node.input[0] in flow.constants


def _optimised(path: Path) -> tuple[dict[str, int], str]:
    """Counts the operators that onnxruntime runs here, after it has fused and replaced what it can; else why not."""
    with TemporaryDirectory() as folder:
        settings = options(1)
        settings.log_severity_level = 4  # it says again what it raises
        settings.optimized_model_filepath = str(Path(folder) / "run.onnx")
        try:
            onnxruntime.InferenceSession(str(path), settings, providers=PROVIDERS)
        except Exception as error:  # the engine's own have no other base
            return {}, f"onnxruntime does not load it: {first_line(error)}"
        run = onnx.load_model(settings.optimized_model_filepath, load_external_data=False)
    return dict(Counter(node.op_type for node in run.graph.node)), ""
