"""CoreML through coremltools: an ML Program package (.mlpackage) of the network's Graph, batch 1, float32 at both ends.

fp16 is CoreML's own: weights and arithmetic in float16, converted at both ends, since that is what the Neural Engine
computes in. With `image_input` the package takes an 8-bit image. CoreML's image type has one scale for all channels and
so cannot express a standard deviation per channel; the normalisation is therefore part of the network.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.formats import calibrated
from edgebench.formats.coreml.noise import NOISE
from edgebench.formats.coreml.writer import TARGET, program
from edgebench.formats.network import INPUT, LAYOUTS, Conversion, Network
from edgebench.formats.quiet import quiet
from edgebench.graph.operators import Graph
from edgebench.ground.records import ExportSpec, TensorSpec

with quiet(NOISE):
    import coremltools as ct

# The writer leaves nothing for coremltools' other passes to find but what it read in another way.
PASSES = ct.PassPipeline(["common::dead_code_elimination"], "edgebench")


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes the package `path` for iOS 16, macOS 13 and later.

    Raises ExportError for a network that CoreML cannot express.
    """
    if spec.precision == "int8":
        conversion = _convert_int8(network, spec, path)
    else:
        conversion = _describe(_made(network, spec, network.graph, path), network, spec)
    if network.names:
        _name_outputs(path, network.names)
    return conversion


def _made(network: Network, spec: ExportSpec, graph: Graph, path: Path | None = None) -> Any:
    """A float package of a graph of the network, at `path` where given."""
    made = program(graph, [INPUT], list(network.outputs), half=spec.precision != "fp32")
    with quiet(NOISE):
        return ct.convert(
            made,
            convert_to="mlprogram",
            minimum_deployment_target=TARGET,
            compute_precision=ct.precision.FLOAT32,  # the program says itself what computes in float16
            inputs=[_input_type(network, spec)],
            pass_pipeline=PASSES,
            package_dir=str(path) if path else None,
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


def _convert_int8(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    from edgebench.formats.coreml import int8
    from edgebench.formats.coreml.evaluate import load_package

    report, warnings = int8.write(network, partial(_made, network, spec), path)
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
        rewrites=dict(network.graph.rewrites),
        tool_versions={"coreml specification": str(model.get_spec().specificationVersion)},
    )


def _output(output: Any) -> TensorSpec:
    shape = tuple(output.type.multiArrayType.shape)
    return TensorSpec(name=output.name, shape=shape, dtype="float32", layout=LAYOUTS.get(len(shape)))
