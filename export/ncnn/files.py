"""ncnn's two files: .param with the layers as text, one a line, and .bin with their arrays one after the other.

The arrays have no names: the .param file says what comes when. A layer's main weights begin with a tag that tells how
they are stored; everything else is plain float32. Arrays are padded to 4 bytes.
https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure, and `load_model` of each layer.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebench.ground.errors import ExportError

FLOAT32, FLOAT16, INT8 = 0, 0x01306B47, 0x000D4B38  # tags
STORED: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT16: np.dtype("<f2"), INT8: np.dtype("i1")}
TAGS = {dtype: tag for tag, dtype in STORED.items()}
ALIGNMENT = 4


@dataclass(frozen=True, eq=False)
class Block:
    """One array of a layer; `tagged` where its storage may be other than float32."""

    values: npt.NDArray[Any]
    tagged: bool

    @property
    def content(self) -> bytes:
        """The array as the file holds it."""
        tag = struct.pack("<I", TAGS[self.values.dtype]) if self.tagged else b""
        data = self.values.tobytes()
        return tag + data + bytes(-len(data) % ALIGNMENT)


Sizes = list[tuple[int, bool]]  # elements of each of a layer's arrays, and whether it is tagged


def number(layer: Layer, option: int, default: int = 0) -> int:
    """A layer's option as a whole number."""
    return int(layer.options.get(str(option), default))


def _convolution(layer: Layer) -> Sizes:
    if number(layer, 28 if layer.kind.startswith("Deconvolution") else 19):  # its weights come from another layer
        return []
    outputs, term = number(layer, 0), number(layer, 8)
    sizes = [(number(layer, 6), True)] + [(outputs, False)] * number(layer, 5)
    if layer.kind != "ConvolutionDepthWise":
        return sizes + _scales(term, outputs)
    return sizes + _scales(term, 1 if term in (2, 102) else number(layer, 7, 1))


def _scales(term: int, channels: int) -> Sizes:
    """Arrays of an int8 layer: scales of its weights, of its input and, above 100, of its output."""
    return [(channels, False)] * bool(term) + [(1, False)] * bool(term) + [(1, False)] * (term > 100)


def _affine(option: int, switch: int) -> Callable[[Layer], Sizes]:
    return lambda layer: [(number(layer, option), False)] * (2 * number(layer, switch, 1))


def _recurrent(gates: int, biases: int) -> Callable[[Layer], Sizes]:
    """Of a layer of `gates`: what takes the input, the biases, what takes the state, and a projection's."""

    def sizes(layer: Layer) -> Sizes:
        outputs, directions = number(layer, 0), 1 + (number(layer, 2) == 2)
        states = number(layer, 3) or outputs
        projected = [states * outputs] * (states != outputs)
        found = [number(layer, 1), states * biases * directions, outputs * states * gates * directions, *projected]
        return [(size, True) for size in found]

    return sizes


def _attention(layer: Layer) -> Sizes:
    """Query, key, value and what joins the heads, each with its bias."""
    features, weights = number(layer, 0), number(layer, 2)
    queries = weights // features
    keys, values = number(layer, 3) or features, number(layer, 4) or features
    inside = [(features * width, features) for width in (queries, keys, values)]
    return [each for weight, bias in (*inside, (weights, queries)) for each in ((weight, True), (bias, False))]


def _product(layer: Layer) -> Sizes:
    """The factors and the addend of a matrix product that are constant."""
    rows, columns, inner, spread = (number(layer, option) for option in (7, 8, 9, 10))
    addend = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}.get(spread, 0)
    sizes = {4: rows * inner, 5: columns * inner, 6: addend}
    return [(size, True) for constant, size in sizes.items() if number(layer, constant) and size]


LAYOUTS: dict[str, Callable[[Layer], Sizes]] = {
    "BatchNorm": lambda layer: [(number(layer, 0), False)] * 4,
    "Bias": lambda layer: [(number(layer, 0), False)],
    "Convolution": _convolution,
    "Convolution1D": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Deconvolution": _convolution,
    "DeconvolutionDepthWise": _convolution,
    "GRU": _recurrent(3, 4),
    "Gemm": _product,
    "GroupNorm": _affine(1, 3),
    "InnerProduct": lambda layer: [
        (number(layer, 2), True),
        *[(number(layer, 0), False)] * number(layer, 1),
        *_scales(number(layer, 8), number(layer, 0)),
    ],
    "InstanceNorm": _affine(0, 2),
    "LSTM": _recurrent(4, 4),
    "LayerNorm": _affine(0, 2),
    "MemoryData": lambda layer: [
        (math.prod(number(layer, option) or 1 for option in (0, 1, 11, 2)), number(layer, 21, 1) == 0)
    ],
    "MultiHeadAttention": _attention,
    "Normalize": lambda layer: [(number(layer, 3), False)],
    "PReLU": lambda layer: [(number(layer, 0), False)],
    "RMSNorm": lambda layer: [(number(layer, 0), False)] * number(layer, 2, 1),
    "RNN": _recurrent(1, 1),
    "Scale": lambda layer: [(number(layer, 0), False)] * (1 + number(layer, 1)),
}


def read_weights(layers: list[Layer], content: bytes) -> dict[str, list[Block]]:
    """Returns each layer's arrays by its name; layers without any are left out.

    Raises ExportError when the arrays do not fill the file: then it is cut, or a layer has weights unknown here.
    """
    found: dict[str, list[Block]] = {}
    position = 0
    for layer in layers:
        for size, tagged in LAYOUTS[layer.kind](layer) if layer.kind in LAYOUTS else []:
            block, position = _block(content, position, size, tagged)
            found.setdefault(layer.name, []).append(block)
    if position != len(content):
        others = sorted({layer.kind for layer in layers} - LAYOUTS.keys())
        raise ExportError(
            f"{len(content) - position} bytes of ncnn's weights belong to no known layer: int8 covers "
            f"{', '.join(LAYOUTS)}, and this network also has {', '.join(others) or 'none'}"
        )
    return found


def _block(content: bytes, position: int, size: int, tagged: bool) -> tuple[Block, int]:
    dtype = STORED[FLOAT32]
    try:
        if tagged:
            dtype = STORED[struct.unpack_from("<I", content, position)[0]]
            position += ALIGNMENT
        values = np.frombuffer(content, dtype, size, position)
    except (struct.error, ValueError, KeyError) as error:
        raise ExportError("ncnn's weights end early, or are stored in a way that is unknown here") from error
    return Block(values, tagged), position + -(-values.nbytes // ALIGNMENT) * ALIGNMENT


def write_weights(layers: list[Layer], blocks: Mapping[str, list[Block]]) -> bytes:
    """The .bin file of `layers`, in their order."""
    return b"".join(block.content for layer in layers for block in blocks.get(layer.name, []))


PARAM, BIN = "model.param", "model.bin"


@dataclass(frozen=True)
class Layer:
    """One line of a .param file: ncnn's name of the operator, the blobs it reads and writes, numbered options."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, str]


def parse(text: str) -> list[Layer]:
    """Reads a .param file: a magic number, the counts of layers and blobs, then a line a layer."""
    layers = []
    for line in text.splitlines()[2:]:
        if line.strip():
            kind, name, reads, writes, *rest = line.split()
            first, end = int(reads), int(reads) + int(writes)
            options = dict(option.split("=", 1) for option in rest[end:])
            layers.append(Layer(kind, name, tuple(rest[:first]), tuple(rest[first:end]), options))
    return layers


def show(layers: list[Layer]) -> str:
    """Writes a .param file as ncnn reads it."""
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = ["7767517", f"{len(layers)} {blobs}"]
    for layer in layers:
        options = (f"{key}={value}" for key, value in layer.options.items())
        words = (len(layer.inputs), len(layer.outputs), *layer.inputs, *layer.outputs, *options)
        lines.append(f"{layer.kind:<24} {layer.name:<24} {' '.join(map(str, words))}")
    return "\n".join(lines) + "\n"


def sources(layers: list[Layer]) -> dict[str, str]:
    """Maps each blob to the one that holds its values: what a Split hands out is what it was given."""
    found: dict[str, str] = {}
    for layer in layers:
        for blob in layer.inputs:
            found.setdefault(blob, blob)
        for blob in layer.outputs:
            found[blob] = found[layer.inputs[0]] if layer.kind == "Split" else blob
    return found
