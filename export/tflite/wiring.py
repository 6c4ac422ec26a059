"""What the quantizer leaves in an int8 file that LiteRT or XNNPACK do not take: operators between two types.

An operator behind an output may be given the output's float values while it writes int8: LiteRT then writes beyond its
memory, and the process ends. And XNNPACK passes int8 on to another scale only where that is near; through float it
passes any.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.formats.tflite.inspect import operators

INT8: Final = schema.TensorType.INT8
FLOAT: Final = schema.TensorType.FLOAT32
# XNNPACK asks for scale / new scale in [2^-8, 2^7] (xnn_define_convert of quantised tensors).
LEAST: Final = 2.0**-8
MOST: Final = 2.0**7


def mend_wiring(target: Path) -> None:
    """Rewrites the int8 file `target` where an operator reads float for int8, or a scale is too far from the next."""
    content = target.read_bytes()
    read_instead, far = dict(_mixed(content)), list(_far(content))
    if read_instead or far:
        model = read(target)
        graph = model.subgraphs[0]
        for at, tensor in read_instead.items():
            graph.operators[at].inputs = [tensor, *graph.operators[at].inputs[1:]]
        for at in reversed(far):
            graph.operators.insert(at, _to_float(model, graph.operators[at]))
        rewrite(model, target)


def _mixed(content: bytes) -> Iterator[tuple[int, int]]:
    """Operators that write int8 from float, by number, and the int8 tensor that the float was made of."""
    made_of: dict[int, int] = {}
    for at, (kind, operator, graph) in enumerate(operators(content)):
        source, made = operator.Inputs(0), operator.Outputs(0)
        if kind == "DEQUANTIZE":
            made_of[made] = source
        elif kind != "QUANTIZE" and source in made_of and graph.Tensors(made).Type() == INT8:
            yield at, made_of[source]


def _far(content: bytes) -> Iterator[int]:
    """The numbers of the operators that bring int8 to a scale that is too far."""
    for at, (kind, operator, graph) in enumerate(operators(content)):
        ends = graph.Tensors(operator.Inputs(0)), graph.Tensors(operator.Outputs(0))
        if kind == "QUANTIZE" and all(each.Type() == INT8 for each in ends):
            before, behind = (float(each.Quantization().Scale(0)) for each in ends)
            if not LEAST <= before / behind <= MOST:
                yield at


def _to_float(model: Any, quantize: Any) -> Any:
    """Lets an operator read float, and returns what makes that of its int8."""
    tensors = model.subgraphs[0].tensors
    source = int(quantize.inputs[0])
    between = copy(tensors[source])
    between.name, between.type, between.quantization, between.buffer = between.name + b"_float", FLOAT, None, 0
    tensors.append(between)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2  # of int8
    model.operatorCodes.append(code)
    made = schema.OperatorT()
    made.opcodeIndex = len(model.operatorCodes) - 1
    made.inputs, made.outputs, made.intermediates = [source], [len(tensors) - 1], []
    quantize.inputs = made.outputs
    return made
