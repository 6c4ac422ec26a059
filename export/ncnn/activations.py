"""Runs an ncnn network and hands out its blobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import ncnn
import numpy as np

from edgebench.formats.examples import Array
from edgebench.formats.inside import Inside
from edgebench.formats.ncnn.files import BIN, PARAM, parse
from edgebench.ground.errors import ExportError
from edgebench.runtimes.ncnn.engine import configure

Blobs = dict[str, Array]


def inside(folder: Path) -> Inside:
    """A function that gives what every layer of a network computes for one input (1, C, H, W), in order."""
    layers = parse((folder / PARAM).read_text("utf-8"))
    blobs = [name for layer in layers if layer.inputs for name in layer.outputs]
    return lambda x: next(activations(folder, [x], blobs)).items()


def activations(folder: Path, images: Iterable[Array], blobs: Iterable[str]) -> Iterator[Blobs]:
    """Yields, for each image (1, C, H, W), the values of `blobs` by name, without a batch.

    Raises ExportError for a folder that ncnn cannot read or run. A blob that is passed on in 8 bits has the whole
    numbers that are stored.
    """
    net = ncnn.Net()
    configure(net.opt, 1, half=False)
    net.opt.lightmode = False  # which would free a blob as soon as it was read
    if net.load_param(str(folder / PARAM)) or net.load_model(str(folder / BIN)):
        raise ExportError("ncnn cannot read the network that was written")
    layers = parse((folder / PARAM).read_text("utf-8"))
    entry = next(layer.outputs[0] for layer in layers if layer.kind == "Input")
    wanted = list(dict.fromkeys(blobs))
    for image in images:
        held = np.ascontiguousarray(image[0])
        extractor = net.create_extractor()
        extractor.input(entry, ncnn.Mat(held).clone())  # as the engine does
        found = {}
        for blob in wanted:
            code, values = extractor.extract(blob)
            if code:
                raise ExportError(f"ncnn stopped with code {code} before blob {blob}")
            found[blob] = np.array(values, np.float32)
        yield found
