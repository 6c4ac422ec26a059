"""int8 for ncnn: calibrated on the float network's own blobs, chosen by running the written folders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from edgebench.formats import calibrated
from edgebench.formats.examples import Array
from edgebench.formats.layers import relative_errors, torch_names
from edgebench.formats.ncnn.activations import Blobs, activations, loaded
from edgebench.formats.ncnn.files import (
    BIN,
    PARAM,
    Block,
    Layer,
    number,
    parse,
    read_weights,
    show,
    sources,
    write_weights,
)
from edgebench.formats.ncnn.static import OUTPUT_IN_INT8, QUANTIZED, WEIGHTED, Weights, levels, quantize
from edgebench.formats.network import Network
from edgebench.formats.quantize.adjust import OBSERVED, Weighted, shifts
from edgebench.ground.records import LayerError, QuantizationReport

SLOWER = "ncnn computes depthwise convolutions faster in float"
SYMMETRIC = "int8, symmetric about zero"


def write(network: Network, source: Path, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes the folder `path` in int8 from the float folder `source`; returns what was decided, and warnings."""
    layers = parse((source / PARAM).read_text("utf-8"))
    arrays = read_weights(layers, (source / BIN).read_bytes())
    sizes = {layer.name: arrays[layer.name][0].values.size for layer in layers if layer.kind in WEIGHTED}
    names = torch_names(network, sizes)

    report, warnings = calibrated.make(network, _steps(network, source, (layers, arrays), names), path)
    return msgspec.structs.replace(report, activations=SYMMETRIC), warnings


def _steps(
    network: Network,
    source: Path,
    content: tuple[list[Layer], Weights],
    names: Mapping[str, str],
    moved: Mapping[str, Array] = MappingProxyType({}),
) -> calibrated.Steps:
    """`moved` is what rounding adds to the outputs' means: biases take it back where a layer is rounded."""
    layers, arrays = content
    blobs = sources(layers)
    quantized = [layer for layer in layers if layer.kind in QUANTIZED]
    observed = {blobs[layer.inputs[0]] for layer in quantized}

    def save(ranges: calibrated.Ranges, kept: Collection[str], target: Path) -> None:
        left = [own for own, name in names.items() if name in kept]
        biased = {name: _with_bias(arrays[name], -each) for name, each in moved.items() if name not in left}
        save_folder(*quantize(layers, arrays | biased, ranges, left), target)

    def corrected() -> calibrated.Steps:
        biased = {
            layer.name: Weighted(blobs[layer.inputs[0]], _shaped(layer, arrays[layer.name][0]), levels=levels(layer))
            for layer in quantized
            if len(arrays[layer.name]) == len(("weight", "bias"))
        }
        found = shifts(biased, activations(source, network.calibration_images[:OBSERVED], observed))
        return _steps(network, source, content, names, found)

    return calibrated.Steps(
        activations=lambda images: activations(source, images, observed),
        write=save,
        run=lambda folder: loaded(folder, list(network.outputs)),
        layers=lambda folder, images: layer_errors(source, folder, images, names),
        corrected=corrected,
    )


def _with_bias(blocks: list[Block], added: Array) -> list[Block]:
    weight, bias = blocks
    return [weight, replace(bias, values=(bias.values + added).astype(np.float32))]


def _shaped(layer: Layer, block: Block) -> Array:
    """A layer's weights (out, in) or (out, in, kernel), as float32."""
    rows = block.values.astype(np.float32).reshape(number(layer, 0), -1)
    if layer.kind == "InnerProduct":
        return rows
    taps = number(layer, 1) * number(layer, 11, number(layer, 1))
    return rows.reshape(len(rows), -1, taps)


def save_folder(layers: list[Layer], arrays: dict[str, list[Block]], folder: Path) -> None:
    """Writes the two files of a network into a new folder."""
    folder.mkdir()
    (folder / PARAM).write_text(show(layers), "utf-8")
    (folder / BIN).write_bytes(write_weights(layers, arrays))


def layer_errors(
    source: Path, folder: Path, images: Sequence[Array], names: Mapping[str, str]
) -> tuple[LayerError, ...]:
    """Errors of the weighted layers of an int8 folder against the float one that it was made from, in order.

    `names` holds the layers' names in torch by the folder's own.
    """
    layers = [layer for layer in parse((folder / PARAM).read_text("utf-8")) if layer.kind in WEIGHTED]
    errors = relative_errors(_pairs(source, folder, layers, images))
    return tuple(
        LayerError(
            name=names.get(layer.name, layer.name),
            kind=layer.kind,
            relative_l2_error=errors[layer.outputs[0]],
            stored="int8" if "8" in layer.options else "float",
            why="" if layer.kind in QUANTIZED else SLOWER,
        )
        for layer in layers
    )


def _pairs(
    source: Path, folder: Path, layers: Sequence[Layer], images: Sequence[Array]
) -> Iterator[tuple[Blobs, Blobs]]:
    names = [layer.outputs[0] for layer in layers]
    written = parse((folder / PARAM).read_text("utf-8"))
    arrays = read_weights(written, (folder / BIN).read_bytes())
    # A blob that is passed on in 8 bits has its scale as the last array of the layer that writes it.
    scales = {
        layer.outputs[0]: arrays[layer.name][-1].values[0]
        for layer in written
        if layer.kind in QUANTIZED and number(layer, 8) > OUTPUT_IN_INT8
    }
    passes = zip(activations(folder, images, names), activations(source, images, names), strict=True)
    for found, expected in passes:
        yield {name: values / np.float32(scales.get(name, 1.0)) for name, values in found.items()}, expected
