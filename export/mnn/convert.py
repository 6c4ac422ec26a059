"""MNN by its own converter from our ONNX network: one file, batch 1.

fp16 stores the weights of layers as float16, int8 as 8 bits with a scale a channel, and computes in float32.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from edgebench.formats import calibrated
from edgebench.formats.mnn.inspect import operators, tensors
from edgebench.formats.mnn.layers import layer_errors
from edgebench.formats.mnn.tool import run
from edgebench.formats.network import Conversion, Network
from edgebench.formats.onnx.convert import save
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import ExportSpec, QuantizationReport
from edgebench.runtimes.mnn import RUNTIME

with quiet(Noise(native=RUNTIME.noise)):
    from edgebench.runtimes.mnn.engine import HALF

SAID: Final = ("--bizCode", "edgebench")
ASKED: Final = {"fp32": SAID, "fp16": ("--fp16", "--bizCode", HALF), "int8": ("--weightQuantBits", "8", *SAID)}


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` with input "image" (1, C, H, W) and output "logits".

    Raises ExportError for an operator that is not covered, or that MNN's converter refuses.
    """
    model, notes = translate(network.graph, tuple(network.outputs), network.inputs)
    for source in model.graph.input:
        source.type.tensor_type.shape.dim[0].dim_value = 1
    with TemporaryDirectory(prefix=".mnn-", dir=path.parent) as folder:
        file = Path(folder) / "network.onnx"
        save(model, file)
        source = ("-f", "ONNX", "--modelFile", str(file), "--MNNModel")
        run(path, *source, str(path), *ASKED[spec.precision])
        report: QuantizationReport | None = None
        if spec.precision == "int8":
            original = Path(folder) / "float.mnn"
            run(original, *source, str(original), *SAID)
            report, warned = calibrated.weights_only(network, "float32", layer_errors(network, original, path))
            notes = (*notes, *warned)
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
