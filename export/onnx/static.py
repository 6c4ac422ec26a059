"""Static int8: the weights a channel at a time, the activations by calibrated ranges, as QuantizeLinear pairs (QDQ).

onnxruntime's own quantizer places the pairs. It is given our ranges, and told what to leave float: whatever is not in
OPERATORS, and the layers that are to be kept. The logits stay float, since the last
dense layer's sums are exact before they are rounded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from onnx import ModelProto
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgebench.formats.onnx.variant import Variant

Range = tuple[float, float]

# What onnxruntime computes in int8 on a CPU, or passes through unchanged.
OPERATORS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
WEIGHTED = ("Conv", "Gemm", "MatMul")
PAIR = ["DequantizeLinear", "QuantizeLinear"]  # from the output backwards
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


def quantize(
    model: ModelProto, ranges: Mapping[str, Range], variant: Variant, kept: Collection[str] = ()
) -> ModelProto:
    """Returns the int8 network; `model` is left as it is.

    `ranges` holds (low, high) of every float tensor that an operator reads or writes, `kept` names operators (nodes)
    that stay float.
    """
    copied = _with_own_weights(model)
    # Zero must be exact: padding is made of it.
    limits = {name: (np.float32(min(low, 0)), np.float32(max(high, 0))) for name, (low, high) in ranges.items()}
    quantizer = QDQQuantizer(
        copied,
        per_channel=True,
        reduce_range=variant.reduced,
        weight_qType=QuantType.QInt8,
        activation_qType=TYPES[variant.activations],
        tensors_range=TensorsData(CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[],
        nodes_to_exclude=list(kept),
        op_types_to_quantize=list(OPERATORS),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made: ModelProto = quantizer.model.model
    _free_output(made)
    return made


def _with_own_weights(model: ModelProto) -> ModelProto:
    """A copy in which layers that share weights have each their own: onnxruntime's exact int8 does not load others."""
    copied = ModelProto()
    copied.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    seen: set[str] = set()
    for node in copied.graph.node:
        shared = node.op_type in WEIGHTED and node.input[1] in seen
        seen.update(node.input[1:2])
        if shared and node.input[1] in constants:
            own = copied.graph.initializer.add()
            own.CopyFrom(constants[node.input[1]])
            own.name = node.input[1] = f"{node.name}.own.weight"
    return copied


def _free_output(model: ModelProto) -> None:
    """Takes the last pair away where it follows a dense layer, whose int8 kernel can write float."""
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    chain = [makers[graph.output[0].name]]
    while len(chain) < 3 and chain[-1].input and chain[-1].input[0] in makers:
        chain.append(makers[chain[-1].input[0]])
    if [node.op_type for node in chain] not in ([*PAIR, "Gemm"], [*PAIR, "MatMul"]):
        return
    dequantize, quantize, dense = chain
    inner = {dense.output[0], quantize.output[0]}
    if sum(name in inner for node in graph.node for name in node.input) == len(inner):
        dense.output[0] = dequantize.output[0]
        graph.node.remove(quantize)
        graph.node.remove(dequantize)
