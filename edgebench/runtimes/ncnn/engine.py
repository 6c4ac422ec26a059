"""ncnn on the CPU: `load(path, threads, batch)` for a folder of model.param and model.bin.

A file whose weights are float32 is computed in float32. One with float16 or int8 weights is computed as ncnn does by
itself: what is float in it in float16 where the processor has float16 arithmetic, elsewhere in float32.

Uses the standard library, numpy and the engine only: this file is copied to devices.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import ncnn
import numpy as np

PARAM, BIN = "model.param", "model.bin"
# Before a layer's weights, when they are stored as float16, or as int8.
HALF_TAG, INT8_TAG = bytes.fromhex("476b3001"), bytes.fromhex("384b0d00")
SHAPES = "-23330"  # a layer's option with its outputs' shapes: 4 a shape, then dimensions, width, height, channels


def load(path: str, threads: int = 1, batch: int = 1) -> NcnnSession:
    """Reads the folder and prepares it for the CPU.

    Raises ValueError for a folder that ncnn cannot read, for one that does not state the sizes of its input and
    output, and for a batch other than 1, since ncnn has no batches.
    """
    if batch != 1:
        raise ValueError(f"ncnn runs one image at a time, not {batch}")
    param, weights = os.path.join(path, PARAM), os.path.join(path, BIN)
    inputs, outputs = ends(param)
    net = ncnn.Net()
    configure(net.opt, threads, half=is_short(weights))
    if net.load_param(param) or net.load_model(weights):
        raise ValueError(f"ncnn cannot read {path}: it says why on standard error")
    return NcnnSession(net, inputs, outputs)


def configure(options: Any, threads: int, *, half: bool) -> None:
    """Sets how every network here runs."""
    options.num_threads = threads
    options.use_vulkan_compute = False
    options.use_bf16_storage = False
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = half


class NcnnSession:
    """A network, ready to run. ncnn's arrays have no batch: it is added to shapes and taken off values here."""

    lazy = True  # `run` stops at the first output
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, net: Any, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
        self.version: str = ncnn.__version__
        self.inputs = inputs
        self.outputs = outputs
        self._others = [np.zeros(one["shape"], np.float32) for one in inputs[1:]]
        self._net = net

    def run(self, x: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Runs the network on an image, with zeros for its other inputs, or on all; returns its first output.

        Raises RuntimeError when ncnn stops.
        """
        return next(self._outputs(x))[np.newaxis]

    def run_all(self, x: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
        """Runs the network and returns every output. Raises RuntimeError when ncnn stops."""
        return [output[np.newaxis] for output in self._outputs(x)]

    def _outputs(self, x: np.ndarray | list[np.ndarray]) -> Iterator[np.ndarray]:
        given = x if isinstance(x, list) else [x, *self._others]
        held = [np.ascontiguousarray(one[0]) for one in given]  # names until they are copied: ncnn keeps none alive
        extractor = self._net.create_extractor()
        # Into memory of ncnn's own: arithmetic on an input writes where it reads, as far apart as ncnn aligns channels.
        for source, values in zip(self.inputs, held):  # noqa: B905  an older Python's
            extractor.input(source["name"], ncnn.Mat(values).clone())
        for blob in self.outputs:
            code, output = extractor.extract(blob["name"])
            if code:
                raise RuntimeError(f"ncnn stopped with code {code}: a layer failed, or memory ran out")
            yield np.array(output)


def ends(param: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the inputs and outputs that a .param file states: its Input layers, and the blobs that no layer reads."""
    with open(param, encoding="utf-8") as file:
        layers = [line.split() for line in file.read().splitlines()[2:] if line.strip()]
    inputs, written, read = [], {}, set()
    for kind, _, sources, targets, *rest in layers:
        first, end = int(sources), int(sources) + int(targets)
        options = dict(option.split("=", 1) for option in rest[end:])
        read.update(rest[:first])
        if kind == "Input":
            inputs.append(described(rest[first], [options[key] for key in "210" if key in options] or [""]))
        for number, blob in enumerate(rest[first:end]):
            written[blob] = options.get(SHAPES, "").split(",")[1 + 4 * number :][:4]
    outputs = []
    for blob, hint in written.items():
        if blob not in read:
            count, sizes = (int(hint[0]), hint[1:]) if len(hint) == 4 else (1, [""])
            outputs.append(described(blob, sizes[:count][::-1]))
    return inputs, outputs


def described(blob: str, sizes: list[str]) -> dict[str, Any]:
    """One input or output with its batch of 1. Raises ValueError when a size is missing."""
    if not all(sizes):
        raise ValueError(f"the .param file does not state the shape of {blob}: export the network with edgebench")
    return {"name": blob, "shape": [1, *map(int, sizes)], "dtype": "float32"}


def is_short(weights: str) -> bool:
    """Whether the first layer's weights are stored in less than float32."""
    with open(weights, "rb") as file:
        return file.read(4) in (HALF_TAG, INT8_TAG)
