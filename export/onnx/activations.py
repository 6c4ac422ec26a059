"""Runs an ONNX network and hands out what flows between its operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx
import onnxruntime
from onnx import ModelProto, TensorProto

from edgebench.formats.examples import Array
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

Tensors = dict[str, Array]


def activations(model: ModelProto, images: Iterable[Array], names: Iterable[str] | None = None) -> Iterator[Tensors]:
    """Yields, for each image (1, C, H, W), every float32 tensor by name; only those of `names` where given.

    The network's input is among them.
    """
    session, wanted = _tapped(model, set(names) if names is not None else None)
    entry = session.get_inputs()[0].name
    for image in images:
        found = dict(zip(wanted, session.run(wanted, {entry: image}), strict=True))
        yield {entry: image, **found}


def _tapped(model: ModelProto, names: set[str] | None) -> tuple[Any, list[str]]:
    copied = ModelProto()
    copied.CopyFrom(model)
    present = {value.name for value in copied.graph.output}
    inner = [name for name in float_tensors(copied) if name not in present and (names is None or name in names)]
    copied.graph.output.extend(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = onnxruntime.InferenceSession(copied.SerializeToString(), options(1), providers=PROVIDERS)
    return session, [*(value.name for value in model.graph.output), *inner]


def float_tensors(model: ModelProto) -> list[str]:
    """The float32 tensors that operators write, in order. Raises onnx's own errors where types cannot be inferred."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    typed = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}
    written = [name for node in model.graph.node for name in node.output]
    return [name for name in written if typed.get(name) == TensorProto.FLOAT]
