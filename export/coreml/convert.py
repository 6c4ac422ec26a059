"""CoreML through coremltools: an ML Program package (.mlpackage), batch 1, float32 input and output.

fp16 is CoreML's own: weights and arithmetic in float16, converted at both ends, since that is what the Neural Engine
computes in. With `image_input` the package takes an 8-bit image. CoreML's image type has one scale for all channels and
so cannot express a standard deviation per channel; the normalisation is therefore part of the network.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from edgebench.formats import calibrated
from edgebench.formats.network import INPUT, LAYOUTS, TORCH_NOISE, Conversion, Network
from edgebench.formats.quantize.replay import Replay
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, TensorSpec

NOISE = Noise(
    logs={
        # What a system other than a Mac lacks, and that Apple tests with older versions of torch: parity decides.
        # An operator that it cannot convert: the error that follows names it.
        "coremltools": r"Failed to load _ML|Torch version .* has not been tested with coreml|\s*ERROR - converting"
    },
    lines=("Converting PyTorch Frontend ==> MIL Ops", r"Running MIL \w+ pipeline"),
    warnings=(
        *TORCH_NOISE.warnings,
        "Implicitly cleaning up <TemporaryDirectory",  # its converter leaves that to the garbage collector
        r"Function _TORCH_OPS_REGISTRY\.\w+ is deprecated",
    ),
)

with quiet(NOISE):
    import coremltools as ct


# What coremltools raises of an operator or of arguments that it does not know; the Graph says them in plain operators.
REFUSALS = (NotImplementedError, ValueError, TypeError, LookupError, AttributeError)


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes the package `path` for iOS 16, macOS 13 and later; of the network's Graph where its module is refused.

    Raises torch's and coremltools' own errors for a network that they cannot express.
    """
    try:
        model = _translated(network, network.flat, spec, path)
    except REFUSALS as refusal:
        try:
            model = _translated(network, Replay(network.graph), spec, path)
        except (ExportError, *REFUSALS):
            raise refusal from None
    conversion = (
        _convert_int8(network, spec, model, path) if spec.precision == "int8" else _describe(model, network, spec)
    )
    if network.names:
        _name_outputs(path, network.names)
    return conversion


def _translated(network: Network, module: nn.Module, spec: ExportSpec, path: Path) -> Any:
    """coremltools' model of a module, which is written to `path` too, but for int8."""
    with quiet(NOISE), torch.no_grad():
        program = torch.export.export(module.eval(), (torch.zeros(network.spec.input_shape),))
        return ct.convert(
            _without_aliases(program.run_decompositions({})),
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=ct.precision.FLOAT32 if spec.precision == "fp32" else ct.precision.FLOAT16,
            inputs=[_input_type(network, spec)],
            outputs=[ct.TensorType(name=name, dtype=np.float32) for name in network.outputs],
            package_dir=None if spec.precision == "int8" else str(path),
            skip_model_load=True,
        )


def _name_outputs(path: Path, names: Sequence[str]) -> None:
    """Writes what the outputs are called into the package's own metadata, as a JSON list under "labels"."""
    with quiet(NOISE):
        written = ct.models.MLModel(str(path), skip_model_load=True)
        written.user_defined_metadata["labels"] = json.dumps(list(names), ensure_ascii=False)
        named = path.with_name(f"named-{path.name}")
        written.save(str(named))
    calibrated.replace(named, path)


def _without_aliases(program: ExportedProgram) -> ExportedProgram:
    """Lets whoever reads an alias read what it stands for: coremltools has no such operator."""
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
    return program


def _convert_int8(network: Network, spec: ExportSpec, model: Any, path: Path) -> Conversion:
    from edgebench.formats.coreml import int8
    from edgebench.formats.coreml.evaluate import load_package

    report, warnings = int8.write(network, model, path)
    with quiet(NOISE):
        written = ct.models.MLModel(str(path), skip_model_load=True)
    counts = dict(Counter(operator.op_type for operator in load_package(path).operators))
    return replace(_describe(written, network, spec, counts), quantization=report, warnings=warnings)


def _input_type(network: Network, spec: ExportSpec) -> Any:
    shape = network.spec.input_shape
    if not spec.image_input:
        return ct.TensorType(name=INPUT, shape=shape, dtype=np.float32)
    layout = ct.colorlayout.RGB if network.spec.channels == 3 else ct.colorlayout.GRAYSCALE
    return ct.ImageType(name=INPUT, shape=shape, color_layout=layout)


def _describe(model: Any, network: Network, spec: ExportSpec, counts: dict[str, int] | None = None) -> Conversion:
    if counts is None:
        operators = model._mil_program.functions["main"].operations
        counts = dict(Counter(operator.op_type for operator in operators if operator.op_type != "const"))
    dtype = "uint8" if spec.image_input else "float32"
    return Conversion(
        inputs=(TensorSpec(name=INPUT, shape=network.spec.input_shape, dtype=dtype, layout="NCHW"),),
        outputs=tuple(_output(one) for one in model.get_spec().description.output),
        operators=counts,
        tool_versions={"coreml specification": str(model.get_spec().specificationVersion)},
    )


def _output(output: Any) -> TensorSpec:
    shape = tuple(output.type.multiArrayType.shape)
    return TensorSpec(name=output.name, shape=shape, dtype="float32", layout=LAYOUTS.get(len(shape)))
