"""TensorFlow Lite: our own writer, straight from the Graph, or litert-torch for networks beyond the Graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from edgebench.formats.network import Conversion, Network
from edgebench.formats.tflite import litert_torch
from edgebench.formats.tflite.inspect import foreign
from edgebench.formats.tflite.metadata import attach
from edgebench.formats.tflite.pixels import take_bytes
from edgebench.formats.tflite.writer import write
from edgebench.ground.records import ExportSpec


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path`, a channels-last .tflite file with weights of the spec's precision.

    The batch is dynamic where the network computes each image alone; else it is 1, and a warning says why. Where the
    outputs have names, those are in its metadata. The spec's converter "litert-torch" hands the network to that package
    instead. Raises ExportError when the network has an operator that is not covered, and UsageError for what
    litert-torch is not offered for.
    """
    conversion = _convert(network, spec, path)
    if spec.image_input:
        take_bytes(path)
        pixels = msgspec.structs.replace(conversion.inputs[0], dtype="uint8", scale=1.0, zero_point=0)
        conversion = replace(conversion, inputs=(pixels,), operators=foreign(path).operators)
    if network.names:
        attach(path, network.names, network.fed)
    return conversion


def _convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    if spec.converter == litert_torch.NAME:
        return litert_torch.convert(network, spec, path)
    if spec.precision == "int8":
        from edgebench.formats.tflite import int8

        return int8.convert(network, path)
    written = write(network.graph, path, spec.precision, tuple(network.outputs), network.inputs)
    return Conversion(
        inputs=written.inputs,
        outputs=written.outputs,
        operators=written.operators,
        rewrites=dict(written.rewrites),
        transposes=written.transposes,
        moved_bytes=written.moved_bytes,
        warnings=written.notes,
    )
