"""Prefixes of an ncnn folder: fewer lines of the same .param file, beside a link to the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from edgebench.formats.ncnn.files import BIN, PARAM, Layer, parse, show
from edgebench.places.emulator.by_operator import Prefix, named

COPIES_NOTHING: Final = ("Input", "Split")  # they hand a tensor on
SHAPES: Final = "-23330"  # a layer's option with the shapes of its outputs


def cut(path: Path, folder: Path) -> list[Prefix]:
    """Writes a folder that ends after each layer, and returns them, the shortest first."""
    layers = parse((path / PARAM).read_text("utf-8"))
    found, since = [], 0
    for count, layer in enumerate(layers, 1):
        if layer.kind in COPIES_NOTHING and count < len(layers):
            continue
        target = folder / f"{count:04d}.ncnn"
        target.mkdir()
        (target / PARAM).write_text(show(_ended(layers[:count])), "utf-8")
        (target / BIN).symlink_to((path / BIN).absolute())
        own = [each for each in layers[since:count] if each.kind not in COPIES_NOTHING] or [layer]
        found.append(Prefix(*named([each.name for each in own], [each.kind for each in own]), target))
        since = count
    return found


def _ended(layers: list[Layer]) -> list[Layer]:
    """The layers with some shape stated for what no layer reads, which the engine's module wants and ncnn does not."""
    read = {blob for layer in layers for blob in layer.inputs}
    found = []
    for layer in layers:
        ends = not read.issuperset(layer.outputs) and SHAPES not in layer.options
        stated = ",".join(["1,1,1,1"] * len(layer.outputs))
        hint = {SHAPES: f"{4 * len(layer.outputs)},{stated}"} if ends else {}
        found.append(replace(layer, options=layer.options | hint))
    return found
