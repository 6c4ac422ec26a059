"""The network as torch's own exported program (.pt2): the eager baseline that the other formats are compared with."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import torch

from edgebench.formats.network import INPUT, LAYOUTS, Conversion, Network
from edgebench.ground.records import ExportSpec, TensorSpec


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` with torch.export.save: the network unchanged, in float32, with a dynamic batch.

    The file is written from Python: torch's own writer ends the process where the disk is full. Raises OSError there,
    and torch's own errors for a network that torch.export cannot trace.
    """
    program = network.program
    saved = io.BytesIO()
    torch.export.save(program, saved)
    path.write_bytes(saved.getbuffer())
    calls = Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")
    image = (None, *network.spec.input_shape[1:])
    beside = zip(network.inputs[1:], network.spec.beside, strict=True)
    return Conversion(
        inputs=(
            TensorSpec(name=INPUT, shape=image, dtype="float32", layout="NCHW"),
            *(TensorSpec(name=name, shape=(None, *one.shape), dtype=one.dtype) for name, one in beside),
        ),
        outputs=tuple(
            TensorSpec(name=name, shape=(None, *shape[1:]), dtype="float32", layout=LAYOUTS.get(len(shape)))
            for name, shape in network.outputs.items()
        ),
        operators=dict(calls),
    )
