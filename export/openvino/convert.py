"""OpenVINO's IR by way of our ONNX writer: a folder (.openvino) of model.xml and model.bin. Batch 1.

fp16 stores the weights as float16, which OpenVINO computes with in half precision where the processor can, and unpacks
elsewhere. int8 is the calibrated ONNX network with its QuantizeLinear pairs, which the CPU plugin runs in 8 bits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from onnx import ModelProto

from edgebench.formats import calibrated
from edgebench.formats.network import LAYOUTS, Conversion, Network
from edgebench.formats.onnx.writer import translate
from edgebench.formats.openvino.flow import ROUNDING, Flow
from edgebench.ground.records import ExportSpec, TensorSpec
from edgebench.runtimes.openvino.engine import MODEL, described, openvino, read


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes the folder `path` with input "image" (1, C, H, W) and output "logits".

    Raises ExportError for an operator that is not covered, and OpenVINO's own errors for what it cannot read.
    """
    proto, notes = translate(network.graph, tuple(network.outputs), network.inputs)
    report = None
    if spec.precision == "int8":
        from edgebench.formats.openvino import int8

        report, warnings = int8.write(network, path)
        notes = (*notes, *warnings)
    else:
        write(network_of(proto), path, half=spec.precision == "fp16")
    if spec.image_input:
        fed = path.with_name(f"bytes-{path.name}")
        write(_taking_bytes(read(str(path))), fed)
        calibrated.replace(fed, path)
    return replace(_describe(read(str(path)), spec), quantization=report, rewrites=dict(network.graph.rewrites))


def network_of(proto: ModelProto) -> Any:
    """An ONNX network as OpenVINO's, for one image; what depends on no input is computed."""
    from openvino._offline_transformations import apply_moc_transformations

    model = openvino.Core().read_model(proto.SerializeToString(), b"")
    model.reshape({at: [1, *list(port.partial_shape)[1:]] for at, port in enumerate(model.inputs)})
    apply_moc_transformations(model, cf=False, smart_reshape=False)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Reshape" and not len(node.get_output_partial_shape(0)):
            _sum_instead(node)
    return model


def _sum_instead(reshape: Any) -> None:
    """In place of a reshape of one value to no dimension: behind a dense layer the CPU plugin crashes at that."""
    from openvino import opset13

    value = reshape.input_value(0)
    made = opset13.reduce_sum(value, list(range(len(value.get_partial_shape()))))
    made.set_friendly_name(reshape.get_friendly_name())
    made.output(0).set_names(reshape.output(0).get_names())
    reshape.output(0).replace(made.output(0))


def write(model: Any, path: Path, *, half: bool = False) -> None:
    """Writes the folder; `half` stores floats in 16 bits."""
    path.mkdir()
    openvino.save_model(model, path / MODEL, compress_to_fp16=half)


def save(proto: ModelProto, path: Path) -> None:
    """Writes an ONNX network as a folder."""
    write(network_of(proto), path)


def _taking_bytes(model: Any) -> Any:
    """The network fed with uint8 images as they lie in memory (1, H, W, C)."""
    from openvino.preprocess import PrePostProcessor

    wrapped = PrePostProcessor(model)
    wrapped.input(0).tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    wrapped.input(0).model().set_layout(openvino.Layout("NCHW"))
    return wrapped.build()


def _describe(model: Any, spec: ExportSpec) -> Conversion:
    first, *others = map(tensor, model.inputs)
    kinds = Counter(node.get_type_name() for node in Flow(model).operators)
    return Conversion(
        inputs=(msgspec.structs.replace(first, layout="NHWC") if spec.image_input else first, *others),
        outputs=tuple(map(tensor, model.outputs)),
        operators={kind: count for kind, count in kinds.items() if kind != ROUNDING},
    )


def tensor(port: Any) -> TensorSpec:
    """An input or output, taken to be NCHW."""
    known = described(port)
    shape = tuple(known["shape"])
    return TensorSpec(name=known["name"], shape=shape, dtype=known["dtype"], layout=LAYOUTS.get(len(shape)))
