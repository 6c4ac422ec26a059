"""TensorFlow Lite: our own writer, straight from the Graph, or litert-torch for networks beyond the Graph."""

from __future__ import annotations

from pathlib import Path

from edgebench.export.network import INPUT, OUTPUT, Conversion, Network
from edgebench.export.tflite import litert_torch
from edgebench.export.tflite.emit import channels_last
from edgebench.export.tflite.writer import write
from edgebench.graph.operators import Operator
from edgebench.records import ExportSpec, TensorSpec


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path`, a channels-last .tflite file with a dynamic batch and weights of the spec's precision.

    The spec's converter "litert-torch" hands the network to that package instead. Raises ExportError when the network
    has an operator that is not covered, and UsageError for what litert-torch is not offered for.
    """
    if spec.converter == litert_torch.NAME:
        return litert_torch.convert(network, spec, path)
    graph = network.graph
    return Conversion(
        operators=write(graph, path, spec.precision),
        inputs=(_tensor_spec(INPUT, graph.input),),
        outputs=(_tensor_spec(OUTPUT, graph[graph.output]),),
    )


def _tensor_spec(name: str, operator: Operator) -> TensorSpec:
    shape = (None, *channels_last(operator.shape)[1:])
    return TensorSpec(name=name, shape=shape, dtype="float32", layout="NHWC" if len(shape) == 4 else "NC")
