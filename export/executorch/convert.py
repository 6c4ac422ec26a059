"""ExecuTorch: our own .tflite file, whose operators XNNPACK has, as a program for ExecuTorch's XNNPACK delegate.

Nothing of ExecuTorch's own compiler is asked: it takes 25 s of processor time for MobileNetV2. fp16 stores weights as
float16; int8 is what TFLite's is, judged by LiteRT, which runs the same kernels. Batch 1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgebench.formats.executorch import program
from edgebench.formats.executorch.inspect import inspect
from edgebench.formats.executorch.source import Source, Tensor, of
from edgebench.formats.network import LAYOUTS, Conversion, Network
from edgebench.formats.tflite import FORMAT
from edgebench.formats.tflite.convert import convert as convert_to_tflite
from edgebench.ground.records import ExportSpec, TensorSpec


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes `path` with input "image" (1, C, H, W), or bytes (1, H, W, C), and output "logits".

    Raises ExportError for an operator that is not covered.
    """
    with TemporaryDirectory(prefix=".executorch-", dir=path.parent) as folder:
        file = Path(folder) / f"{path.stem}.tflite"
        made = convert_to_tflite(network, msgspec.structs.replace(spec, format=FORMAT.name), file)
        source = of(file, tuple(one.name for one in made.inputs), tuple(one.name for one in made.outputs))
    parts = program.parts(source)
    path.write_bytes(program.program(source, parts))
    alone = Counter(part.call.kernel for part in parts if part.call is not None)
    notes = tuple(note for note in made.warnings if not note.startswith("the batch is fixed"))  # it is in any case
    if alone:
        named = ", ".join(f"{kernel} ({count})" for kernel, count in alone.items())
        notes = (*notes, f"not delegated to XNNPACK, and slower: {named}")
    return replace(
        made,
        inputs=tuple(_described(source, at) for at in source.inputs),
        outputs=tuple(_described(source, at) for at in source.outputs),
        operators=dict(Counter(one.kind for one in inspect(path).operators)),
        transposes=None,
        moved_bytes=None,
        warnings=notes,
    )


def _described(source: Source, number: int) -> TensorSpec:
    tensor: Tensor = source.tensors[number]
    layout = "NHWC" if tensor.dtype == "uint8" else LAYOUTS.get(len(tensor.shape))
    return TensorSpec(name=tensor.name, shape=tensor.shape, dtype=tensor.dtype, layout=layout)
