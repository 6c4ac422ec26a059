"""The operators of an OpenVINO network, the constants that each reads, and what each computes in."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE

ENDS: Final = ("Parameter", "Result")
ROUNDING: Final = "FakeQuantize"
WEIGHTED: Final = ("Convolution", "GroupConvolution", "MatMul")
# What the CPU plugin computes in 8 bits where its inputs are rounded, beside the weighted.
IN_8_BITS: Final = ("Add", "AvgPool", "Clamp", "Interpolate", "MaxPool", "Multiply", "PRelu", "ReduceMean", "Relu",
                    "Subtract")  # fmt: skip
MOVING: Final = ("Concat", "DepthToSpace", "Gather", "Pad", "Reshape", "ShuffleChannels", "Slice", "SpaceToDepth",
                 "Split", "Squeeze", "StridedSlice", "Transpose", "Unsqueeze", "VariadicSplit")  # fmt: skip
WITHOUT_BIAS: Final = "/WithoutBiases"  # what the reader of ONNX adds to a layer's name, for the bias is added apart

Node = Any  # openvino.Node has no types that mypy reads


class Flow:
    """What flows through a network: `operators` in order, without what only unpacks constants."""

    def __init__(self, model: Any) -> None:
        self.operators: list[Node] = []
        self._constants: dict[str, list[Node]] = {}
        for node in model.get_ordered_ops():
            kind, behind = node.get_type_name(), [self._constants.get(each.get_name()) for each in sources(node)]
            if kind == "Constant":
                self._constants[node.get_name()] = [node]
            elif behind and None not in behind:
                self._constants[node.get_name()] = [each for found in behind for each in found or ()]
            elif kind not in ENDS:
                self.operators.append(node)

    def given(self, node: Node) -> list[Node]:
        """The nodes whose output an operator reads, without constants."""
        return [each for each in sources(node) if each.get_name() not in self._constants]

    def constants(self, node: Node) -> list[Node]:
        """The constants that an operator reads, as they are stored."""
        return [each for one in sources(node) for each in self._constants.get(one.get_name(), ())]

    def weights(self, node: Node) -> dict[str, int]:
        """The bytes of those by the type that they are stored in."""
        found: Counter[str] = Counter()
        for each in self.constants(node):
            found[dtype(each)] += each.get_byte_size()
        return dict(found)

    def computes(self) -> list[str]:
        """What each operator computes in: one in 8 bits reads what was rounded, and weights of 8 bits where it has any.

        An addition of a constant behind such a layer is its bias.
        """
        found: dict[str, str] = {}
        rounded: set[str] = set()
        for node in self.operators:
            kind, name = node.get_type_name(), node.get_name()
            before, types = [each.get_name() for each in self.given(node)], set(map(dtype, self.constants(node)))
            if kind == ROUNDING or (kind in MOVING and rounded.issuperset(before)):
                rounded.add(name)
            if kind == ROUNDING or kind in MOVING:
                found[name] = CONVERSION if kind == ROUNDING else SHAPE
            elif (rounded.issuperset(before) and _has_8_bits(kind, types, len(before))) or (
                kind == "Add" and len(before) == 1 and _is_8_bit_layer(self.given(node)[0], found)
            ):
                found[name] = INT8
            else:
                found[name] = FP16 if "float16" in types else FP32
        return list(found.values())


def _has_8_bits(kind: str, constants: set[str], inputs: int) -> bool:
    if kind in WEIGHTED:
        return "int8" in constants or inputs > 1
    return kind in IN_8_BITS


def _is_8_bit_layer(node: Node, computes: dict[str, str]) -> bool:
    return node.get_type_name() in WEIGHTED and computes[node.get_name()] == INT8


def sources(node: Node) -> list[Node]:
    """The nodes that a node reads."""
    return [each.get_source_output().get_node() for each in node.inputs()]


def layer(node: Node) -> str:
    """What the ONNX network called an operator."""
    return str(node.get_friendly_name().removesuffix(WITHOUT_BIAS))


def dtype(node: Node) -> str:
    """numpy's name of the type of a node's first output."""
    return str(node.get_output_element_type(0).to_dtype().name)
