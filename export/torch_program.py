"""The network as torch's own exported program (.pt2): the eager baseline that the other formats are compared with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from edgebench.export.network import INPUT, OUTPUT, Conversion, Network
from edgebench.export.quiet import Noise, quiet
from edgebench.records import ExportSpec, TensorSpec

NOISE = Noise(warnings=(r"`isinstance\(treespec, LeafSpec\)` is deprecated",))


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` with torch.export.save: the network unchanged, in float32, with a dynamic batch.

    Raises torch's own errors for a network that torch.export cannot trace.
    """
    channels, height, width = network.spec.input_shape[1:]
    example = torch.zeros(2, channels, height, width)
    with quiet(NOISE), torch.no_grad():
        program = torch.export.export(
            network.module, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
        )
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # source lines and paths of the machine that converted
        torch.export.save(program, path)
        (output,) = (
            node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_outputs
        )
    calls = Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")
    return Conversion(
        inputs=(TensorSpec(name=INPUT, shape=(None, channels, height, width), dtype="float32", layout="NCHW"),),
        outputs=(TensorSpec(name=OUTPUT, shape=(None, *map(int, output.shape[1:])), dtype="float32", layout="NC"),),
        operators=dict(calls),
    )
