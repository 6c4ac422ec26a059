"""TensorFlow Lite: our own writer, straight from the Graph, or litert-torch for networks beyond the Graph."""

from __future__ import annotations

from pathlib import Path

from edgebench.formats.network import Conversion, Network
from edgebench.formats.tflite import litert_torch
from edgebench.formats.tflite.metadata import attach
from edgebench.formats.tflite.writer import ends, write
from edgebench.ground.records import ExportSpec


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path`, a channels-last .tflite file with a dynamic batch and weights of the spec's precision.

    Where the outputs have names, those are in its metadata. The spec's converter "litert-torch" hands the network to
    that package instead. Raises ExportError when the network has an operator that is not covered, and UsageError for
    what litert-torch is not offered for.
    """
    conversion = _convert(network, spec, path)
    if network.names:
        attach(path, network.names, network.preprocessing)
    return conversion


def _convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    if spec.converter == litert_torch.NAME:
        return litert_torch.convert(network, spec, path)
    if spec.precision == "int8":
        from edgebench.formats.tflite import int8

        return int8.convert(network, path)
    graph = network.graph
    operators = write(graph, path, spec.precision)
    source, result = ends(graph)
    return Conversion(operators=operators, inputs=(source,), outputs=(result,))
