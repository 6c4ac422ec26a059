"""Prefixes of a .tflite file, by the flatbuffer's own classes from ai-edge-litert."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.formats.tflite.inspect import OPERATORS
from edgebench.places.emulator.by_operator import Prefix, named

# XNNPACK takes a constant padding into the convolution behind it.
GOES_ON: Final = ("PAD", "PADV2")


def cut(path: Path, folder: Path) -> list[Prefix]:
    """Writes a file that ends after each operator, and returns them, the shortest first."""
    model = read(path)
    graph = model.subgraphs[0]
    every, ends = list(graph.operators), [int(index) for index in graph.outputs]
    buffers = list(model.buffers)
    model.signatureDefs, model.metadata = None, None
    found, since = [], 0
    for count in range(1, len(every) + 1):
        codes = [model.operatorCodes[operator.opcodeIndex] for operator in every[since:count]]
        kinds = [OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM") for code in codes]
        if kinds[-1] in GOES_ON and count < len(every):
            continue
        graph.operators, graph.outputs = every[:count], _handed_out(every, count, ends)
        _keep(model, graph, buffers)
        target = folder / f"{count:04d}.tflite"
        rewrite(model, target)
        names = [graph.tensors[int(operator.outputs[0])].name.decode() for operator in every[since:count]]
        found.append(Prefix(*named(names, kinds), target))
        since = count
    return found


def _handed_out(operators: list[Any], count: int, ends: list[int]) -> list[int]:
    """The tensors that the first `count` operators write and that are read later, or the file's own outputs."""
    written = [int(index) for operator in operators[:count] for index in operator.outputs]
    wanted = {int(index) for operator in operators[count:] for index in operator.inputs} | set(ends)
    return [index for index in written if index in wanted]


def _keep(model: Any, graph: Any, buffers: list[schema.BufferT]) -> None:
    """Leaves the weights out that no operator reads: dozens of whole files would fill the disk."""
    read = {int(index) for operator in graph.operators for index in operator.inputs if int(index) >= 0}
    kept = {graph.tensors[index].buffer for index in read}
    model.buffers = [buffer if number in kept else schema.BufferT() for number, buffer in enumerate(buffers)]
