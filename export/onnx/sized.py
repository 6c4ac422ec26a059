"""An .onnx file that leaves sizes of its image open, with these sizes fixed: a file like any other to run and send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto

from edgebench.formats.onnx.inspect import beside, parse
from edgebench.ground.errors import UsageError, first_line
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options


def load(path: Path) -> ModelProto:
    """The file with the weights that lie beside it. Raises UsageError as `parse` and `beside` do."""
    model = parse(path)
    beside(model, path)
    onnx.load_external_data_for_model(model, str(path.parent))
    return model


def sized(path: Path, name: str, sizes: Sequence[int]) -> bytes:
    """The network in `path` as one file whose input `name` has these `sizes` on all axes but the first.

    What follows of them for its outputs is inferred. Raises UsageError for a damaged file, and for sizes
    that do not fit.
    """
    model = load(path)
    (entry,) = (each for each in model.graph.input if each.name == name)
    for axis, size in zip(entry.type.tensor_type.shape.dim[1:], sizes, strict=True):
        axis.dim_value = size
    del model.graph.value_info[:]  # what is said there is of any size
    for result in model.graph.output:
        result.type.tensor_type.ClearField("shape")
    content: bytes = onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString()
    try:
        onnxruntime.InferenceSession(content, options(1), providers=PROVIDERS)
    except Exception as error:  # the engine's own have no other base
        wanted = "x".join(map(str, sizes))
        raise UsageError(
            f"{path} does not take images of {wanted}; others may fit, such as multiples of 32: {first_line(error)}"
        ) from error
    return content
