"""The layers of an .ncnn folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgebench.formats.inspect import FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.ncnn.files import BIN, PARAM, Block, Layer, number, parse, read_weights
from edgebench.formats.ncnn.static import QUANTIZED
from edgebench.ground.errors import ExportError, UsageError
from edgebench.ground.records import Layout, TensorSpec
from edgebench.runtimes.ncnn.engine import ends

SHAPES = ("Split", "Flatten", "Reshape", "Permute", "Slice", "Crop", "Padding", "Squeeze", "ExpandDims", "Noop")
LAYOUTS: dict[int, Layout] = {2: "NC", 4: "NCHW"}


def inspect(path: Path) -> Inspected:
    """Returns what is in the folder. Raises UsageError for one that is damaged."""
    for name in (PARAM, BIN):
        if not (path / name).is_file():
            raise UsageError(f"{path} is not a whole .ncnn folder: {name} is missing in it")
    try:
        layers = parse((path / PARAM).read_text("utf-8"))
        blocks = read_weights(layers, (path / BIN).read_bytes())
        inputs, outputs = ends(str(path / PARAM))
    except ExportError as error:
        raise UsageError(f"{path} cannot be inspected: {error}") from error
    except (OSError, ValueError, LookupError) as error:
        raise UsageError(f"{path} cannot be read: {PARAM} or {BIN} is damaged; copy or export it again") from error
    return Inspected(
        inputs=tuple(spec_of(one["name"], one["shape"]) for one in inputs),
        outputs=tuple(spec_of(one["name"], one["shape"]) for one in outputs),
        operators=tuple(_operator(layer, blocks.get(layer.name, [])) for layer in layers if layer.kind != "Input"),
        int8_kinds=tuple(QUANTIZED),
    )


def spec_of(name: str, shape: Sequence[int]) -> TensorSpec:
    """One input or output of a folder, which is all float32 to ncnn."""
    return TensorSpec(name=name, shape=tuple(shape), dtype="float32", layout=LAYOUTS.get(len(shape)))


def _operator(layer: Layer, blocks: list[Block]) -> Operator:
    stored: Counter[str] = Counter()
    for block in blocks:
        stored[block.values.dtype.name] += block.values.nbytes
    computes = FP16 if "float16" in stored else FP32
    if layer.kind in SHAPES:
        computes = SHAPE
    elif number(layer, 8) and "int8" in stored:
        computes = INT8
    return Operator(layer.name, layer.kind, computes, layer.inputs, layer.outputs, weights=dict(stored))
