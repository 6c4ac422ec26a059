"""What is inside an .mnn file, read as the flatbuffer that it is (MNN's schema/default/MNN.fbs and CaffeOp.fbs)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.native import session
from edgebench.formats.network import LAYOUTS
from edgebench.ground.errors import UsageError
from edgebench.ground.flatbuffer import DAMAGE, Table
from edgebench.ground.records import TensorSpec

# The schema's numbers of the operators that networks of images become; others are told by their numbers.
KINDS: Final = {
    0: "AbsVal", 2: "ArgMax", 7: "BinaryOp", 9: "Cast", 10: "Concat", 11: "Const", 12: "Convolution",
    13: "ConvolutionDepthwise", 17: "Deconvolution", 18: "DeconvolutionDepthwise", 22: "Eltwise", 23: "ELU",
    26: "ExpandDims", 27: "Fill", 28: "Flatten", 30: "Gather", 31: "GatherV2", 33: "InnerProduct", 34: "Input",
    35: "Interp", 37: "LRN", 38: "LSTM", 39: "MatMul", 43: "Normalize", 44: "Pack", 45: "Padding", 46: "Permute",
    47: "Pooling", 49: "PReLU", 65: "Range", 66: "Rank", 68: "Reduction", 69: "ReLU", 70: "ReLU6", 73: "Reshape",
    74: "Resize", 77: "Scale", 80: "Shape", 81: "Sigmoid", 83: "Slice", 84: "SliceTf", 85: "Softmax", 90: "Squeeze",
    91: "StridedSlice", 95: "TanH", 98: "Tile", 99: "TopKV2", 100: "Transpose", 101: "UnaryOp", 102: "Unpack",
    103: "Where", 106: "BatchMatMul", 107: "Unsqueeze", 109: "DepthToSpace", 110: "SpaceToDepth", 112: "Pooling3D",
    113: "Convolution3D", 115: "GatherND", 118: "ScatterNd", 119: "OneHot", 120: "BroadcastTo", 128: "Raster",
    129: "ConvertTensor", 130: "ArgMin", 148: "CumSum", 151: "ScatterElements", 152: "GatherElements", 257: "Select",
    299: "Attention", 304: "GroupNorm", 513: "ConvInt8", 514: "Int8ToFloat", 515: "DepthwiseConvInt8",
    517: "FloatToInt8", 518: "EltwiseInt8", 600: "While", 603: "LayerNorm", 604: "GridSample",
}  # fmt: skip
CONVOLUTION: Final = 9  # the parameters of a layer with weights, as the union counts them
HALVES: Final = 3  # how weights are stored
MOVES: Final = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Concat", "Slice")
CONVERSIONS: Final = ("ConvertTensor", "FloatToInt8", "Int8ToFloat")
ROUNDED: Final = ("Convolution", "ConvolutionDepthwise")  # dense layers are convolutions here
SCALABLE: Final = (*ROUNDED, "BinaryOp")
OPERATORS: Final = 3  # the network's field
IN_8_BITS: Final = ("ConvInt8", "DepthwiseConvInt8", "EltwiseInt8")


def inspect(path: Path) -> Inspected:
    """Returns what is in the file. Raises UsageError for one that is damaged."""
    try:
        found = operators(path)
    except DAMAGE as error:
        raise UsageError(f"{path} cannot be read: it is damaged, or no MNN file; copy or export it again") from error
    inputs, outputs = tensors(path)
    return Inspected(inputs=inputs, outputs=outputs, operators=tuple(found), int8_kinds=(*SCALABLE, *IN_8_BITS))


def tensors(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of a file."""
    loaded = session("mnn", str(path), exact=True)
    return tuple(map(_tensor, loaded.inputs)), tuple(map(_tensor, loaded.outputs))


def _tensor(known: dict[str, Any]) -> TensorSpec:
    shape = tuple(known["shape"])
    return TensorSpec(name=known["name"], shape=shape, dtype=known["dtype"], layout=LAYOUTS.get(len(shape)))


def operators(path: Path) -> list[Operator]:
    """The operators of a file, without its inputs and constants. Raises one of DAMAGE where it cannot be read."""
    network = Table.root(path.read_bytes())
    names, found = network.texts(7), network.tables(OPERATORS)
    if not found:
        raise ValueError("a network without operators")
    scaled = {names[one.number(1, "i")] for one in network.tables(1) if one.table(4) is not None}
    made = (_operator(one, names, scaled) for one in found)
    return [one for one in made if one.kind not in ("Input", "Const")]


def _operator(one: Table, names: list[str], scaled: set[str]) -> Operator:
    """`scaled` are the tensors that have a scale, and are whole numbers where what makes and reads them can do it."""
    number = one.number(5, "i")
    kind = KINDS.get(number, f"operator {number}")
    main = one.table(2)
    weights = _weights(main) if main is not None and one.number(1, "B") == CONVOLUTION else {}
    inputs, outputs = ([names[at] for at in one.array(slot, "<i4")] for slot in (0, 4))
    moved = CONVERSION if kind in CONVERSIONS else SHAPE if kind in MOVES else ""
    whole = kind in SCALABLE and scaled.issuperset([*inputs, *outputs]) and (kind not in ROUNDED or "int8" in weights)
    return Operator(
        name=one.text(3) or kind,
        kind=kind,
        computes=moved or (INT8 if whole or kind in IN_8_BITS else FP16 if "float16" in weights else FP32),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        weights=weights,
    )


def _weights(layer: Table) -> dict[str, int]:
    """The bytes of a layer's weights by the type that they are stored in."""
    packed, whole = layer.table(3), layer.table(4)
    if whole is not None and whole.length(0):
        return {"int8": whole.length(0)}
    if packed is not None and packed.length(0):
        return {"float16" if packed.number(2, "i") == HALVES else "int8": packed.length(0)}
    floats = 4 * layer.length(1)
    return {"float32": floats} if floats else {}
