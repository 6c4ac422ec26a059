"""ncnn's .param file: the layers as text, one a line, with numbered options.

https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure describes it.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    return [_layer(line.split()) for line in text.splitlines()[2:] if line.strip()]


def _layer(words: list[str]) -> Layer:
    kind, name, reads, writes, *rest = words
    first, end = int(reads), int(reads) + int(writes)
    options = dict(option.split("=", 1) for option in rest[end:])
    return Layer(kind, name, tuple(rest[:first]), tuple(rest[first:end]), options)


def show(layers: list[Layer]) -> str:
    """Writes a .param file as ncnn reads it."""
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = [f"{layer.kind:<24} {layer.name:<24} {_blobs_and_options(layer)}" for layer in layers]
    return "\n".join(["7767517", f"{len(layers)} {blobs}", *lines]) + "\n"


def _blobs_and_options(layer: Layer) -> str:
    options = (f"{key}={value}" for key, value in layer.options.items())
    words = (len(layer.inputs), len(layer.outputs), *layer.inputs, *layer.outputs, *options)
    return " ".join(map(str, words))


def sources(layers: list[Layer]) -> dict[str, str]:
    """Maps each blob to the one that holds its values: what a Split hands out is what it was given."""
    found: dict[str, str] = {}
    for layer in layers:
        for blob in layer.inputs:
            found.setdefault(blob, blob)
        for blob in layer.outputs:
            found[blob] = found[layer.inputs[0]] if layer.kind == "Split" else blob
    return found
