"""Prefixes of an .onnx file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import onnx

from edgebench.places.emulator.by_operator import Prefix, named

# What onnxruntime merges with the one node before it, and with the one behind it.
WITH_THE_LAST: Final = ("Relu", "Clip", "LeakyRelu", "HardSigmoid", "QuantizeLinear")
WITH_THE_NEXT: Final = ("DequantizeLinear", "QuantizeLinear", "Pad", "Constant", "Shape", "Identity")


def cut(path: Path, folder: Path) -> list[Prefix]:
    """Writes a file that ends after each operator, and returns them, the shortest first."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    nodes, ends = list(model.graph.node), [output.name for output in model.graph.output]
    found, since = [], 0
    for count in range(1, len(nodes) + 1):
        if count < len(nodes) and _goes_on(nodes, count):
            continue
        part = _first(model, nodes, count, ends)
        target = folder / f"{count:04d}.onnx"
        onnx.save(part, target)
        own = [node for node in nodes[since:count] if node.op_type != "Constant"] or nodes[count - 1 : count]
        found.append(Prefix(*named([node.output[0] for node in own], [node.op_type for node in own]), target))
        since = count
    return found


def _goes_on(nodes: list[Any], count: int) -> bool:
    """Whether the step that the last of the first `count` nodes belongs to is not over."""
    last, before = nodes[count - 1].op_type, nodes[count - 2].op_type if count > 1 else "Identity"
    # Dequantize, operator, quantize is one kernel: the next one begins with the quantized tensor.
    if last in WITH_THE_NEXT and (last != "QuantizeLinear" or before in WITH_THE_NEXT):
        return True
    readers = [node for node in nodes[count:] if set(node.input) & set(nodes[count - 1].output)]
    return len(readers) == 1 and readers[0] is nodes[count] and readers[0].op_type in WITH_THE_LAST


def _first(model: Any, nodes: list[Any], count: int, ends: list[str]) -> Any:
    """The model with the first `count` nodes, which hands out what later ones read."""
    written = [name for node in nodes[:count] for name in node.output]
    wanted = {name for node in nodes[count:] for name in node.input} | set(ends)
    read = {name for node in nodes[:count] for name in node.input}
    known = {each.name: each for each in (*model.graph.value_info, *model.graph.output)}
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[:], part.graph.output[:], part.graph.initializer[:], part.graph.value_info[:]
    part.graph.node.extend(nodes[:count])
    part.graph.initializer.extend(each for each in model.graph.initializer if each.name in read)
    part.graph.output.extend(
        known.get(name, onnx.helper.make_empty_tensor_value_info(name)) for name in written if name in wanted
    )
    return part
