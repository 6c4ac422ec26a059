"""An .onnx file that leaves sizes of its image open, with these sizes fixed: a file like any other to run and send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import ModelProto

from edgebench.formats.onnx.inspect import beside, parse


def load(path: Path) -> ModelProto:
    """The file with the weights that lie beside it. Raises UsageError as `parse` and `beside` do."""
    model = parse(path)
    beside(model, path)
    onnx.load_external_data_for_model(model, str(path.parent))
    return model


def sized(path: Path, name: str, sizes: Sequence[int]) -> bytes:
    """The network in `path` as one file whose input `name` has these `sizes` on all axes but the first.

    What follows of them for its outputs is inferred. Raises UsageError for a damaged file.
    """
    model = load(path)
    (entry,) = (each for each in model.graph.input if each.name == name)
    for axis, size in zip(entry.type.tensor_type.shape.dim[1:], sizes, strict=True):
        axis.dim_value = size
    del model.graph.value_info[:]  # what is said there is of any size
    for result in model.graph.output:
        result.type.tensor_type.ClearField("shape")
    content: bytes = onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString()
    return content
