"""MNN by its own converter from our ONNX network: one file, batch 1.

fp16 stores the weights of layers as float16, int8 those and what layers give in 8 bits.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgebench.formats.mnn.inspect import operators, tensors
from edgebench.formats.mnn.tool import SAID, converted
from edgebench.formats.network import Conversion, Network
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import ExportSpec, QuantizationReport
from edgebench.runtimes.mnn import RUNTIME

with quiet(Noise(native=RUNTIME.noise)):
    from edgebench.runtimes.mnn.engine import HALF


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` with input "image" (1, C, H, W) and output "logits".

    Raises ExportError for an operator that is not covered, or that MNN's converter refuses.
    """
    model, notes = translate(network.graph, tuple(network.outputs), network.inputs)
    report: QuantizationReport | None = None
    if spec.precision == "int8":
        from edgebench.formats.mnn import int8

        report, warnings = int8.write(network, model, path)
        notes = (*notes, *warnings)
    else:
        half = spec.precision == "fp16"
        converted(model, path, *(("--fp16",) if half else ()), said=HALF if half else SAID)
    inputs, outputs = tensors(path)
    order = list(network.outputs)  # the engine's own is that of the alphabet
    return Conversion(
        inputs=inputs,
        outputs=tuple(sorted(outputs, key=lambda one: order.index(one.name))),
        operators=dict(Counter(one.kind for one in operators(path))),
        rewrites=dict(network.graph.rewrites),
        warnings=notes,
        quantization=report,
    )
