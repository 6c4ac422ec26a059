"""Runs a .tflite file with all its tensors kept, and hands out what each operator computed, as float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgebench.formats.examples import Array, apart
from edgebench.formats.inside import Inside
from edgebench.formats.layers import relative_errors
from edgebench.formats.native import to_native
from edgebench.formats.quiet import Noise, quiet
from edgebench.graph.operators import Graph, Input, Pad, Reshape, Subsample
from edgebench.ground.records import LayerError
from edgebench.runtimes.litert.engine import IMAGE_AXES

NOISE: Final = Noise(
    warnings=("Warning: Enabling `experimental_preserve_all_tensors`",),
    native=("INFO: Created TensorFlow Lite XNNPACK delegate for CPU",),
)
BETWEEN: Final = ("QUANTIZE", "DEQUANTIZE", "DELEGATE")  # what stands between operators of two types, or for many
UNCHANGED: Final = (Input, Pad, Reshape, Subsample)  # operators that compute nothing new

Tensor = dict[str, Any]


class Recorder:
    """A file with images channels last. `stored` maps each tensor that is computed to its dtype.

    Several inputs come as one, as `with_beside` makes them; those of numbers are `fed`.
    """

    def __init__(self, path: Path) -> None:
        with quiet(NOISE):
            self._interpreter = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
            self._interpreter.allocate_tensors()
        inputs = sorted(self._interpreter.get_input_details(), key=lambda tensor: len(tensor["shape"]) != IMAGE_AXES)
        self._inputs: list[Tensor] = inputs
        self.fed = sum(map(_holds_numbers, inputs))
        details = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        operators = self._interpreter._get_ops_details()  # the binding has no public list of operators
        written = [int(each["outputs"][0]) for each in operators if each["op_name"] not in BETWEEN]
        self._tensors: list[Tensor] = [details[index] for index in written]
        self.stored = {tensor["name"]: np.dtype(tensor["dtype"]).name for tensor in self._tensors}

    def run(self, image: Array) -> Iterator[tuple[str, Array]]:
        """Yields (name, values) of the inputs of numbers and of each operator's output, in order, channels last."""
        parts = apart(image, [_sizes(tensor) for tensor in self._inputs])
        given = [to_native(part, "NHWC" if part.ndim == IMAGE_AXES else None) for part in parts]
        for values, tensor in zip(given, self._inputs, strict=True):
            self._interpreter.set_tensor(tensor["index"], _stored(values, tensor))
        self._interpreter.invoke()
        yield from (
            (tensor["name"], values)
            for values, tensor in zip(given, self._inputs, strict=True)
            if _holds_numbers(tensor)
        )
        for tensor in self._tensors:
            yield tensor["name"], _values(self._interpreter.get_tensor(tensor["index"]), tensor)


def inside(path: Path) -> Inside:
    """A function that gives what every operator of a file computes for one input (1, C, H, W)."""
    recorder = Recorder(path)
    return lambda x: islice(recorder.run(x), recorder.fed, None)


def activations(path: Path, images: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Yields every tensor of every image under its name, one at a time: they may not fit memory together."""
    recorder = Recorder(path)
    for image in images:
        yield from ({name: values} for name, values in recorder.run(image))


def layer_errors(graph: Graph, original: Path, quantized: Path, images: Sequence[Array]) -> tuple[LayerError, ...]:
    """The error of each operator's output in `quantized` against the float file `original`, in the graph's order."""
    before, after = Recorder(original), Recorder(quantized)
    errors = relative_errors(
        ({name: found}, {name: expected})
        for image in images
        for (name, expected), (_, found) in zip(before.run(image), after.run(image), strict=True)
    )
    layers = []
    for one in graph.operators:
        if one.name in errors and not isinstance(one, UNCHANGED):
            stored = "float" if after.stored[one.name].startswith("float") else after.stored[one.name]
            error = errors[one.name]
            layers.append(LayerError(name=one.name, kind=one.kind, relative_l2_error=error, stored=stored))
    return tuple(layers)


def _holds_numbers(tensor: Tensor) -> bool:
    return bool(np.issubdtype(tensor["dtype"], np.floating) or tensor["quantization"][0])


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    """The sizes of an input behind the batch, in torch's layout."""
    _, *sizes = (int(size) for size in tensor["shape"])
    return (sizes[-1], *sizes[:-1]) if len(sizes) == IMAGE_AXES - 1 else tuple(sizes)


def _stored(values: Array, tensor: Tensor) -> Any:
    scale, zero = tensor["quantization"]
    if not scale:
        return values.astype(tensor["dtype"], copy=False)
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])


def _values(stored: Any, tensor: Tensor) -> Array:
    scale, zero = tensor["quantization"]
    values: Array = (stored.astype(np.float32) - np.float32(zero)) * np.float32(scale) if scale else stored
    return values
