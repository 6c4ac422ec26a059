"""Runs an ncnn network and hands out its blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import ncnn
import numpy as np

from edgebench.formats.examples import Array, apart
from edgebench.formats.inside import Inside
from edgebench.formats.native import fed, runner
from edgebench.formats.ncnn.files import BIN, PARAM, parse
from edgebench.formats.ncnn.inspect import spec_of
from edgebench.ground.errors import ExportError
from edgebench.runtimes.ncnn.engine import configure, ends, load

Blobs = dict[str, Array]


def inside(folder: Path) -> Inside:
    """A function that gives what every layer of a network computes for one input (1, C, H, W), in order."""
    layers = parse((folder / PARAM).read_text("utf-8"))
    blobs = [name for layer in layers if layer.inputs for name in layer.outputs]
    return lambda x: next(activations(folder, [x], blobs)).items()


def loaded(folder: Path, names: Sequence[str]) -> Callable[[Array], Array]:
    """What runs a network: its inputs as one to its outputs of these names as one. Raises ValueError as load does."""
    session = load(str(folder))
    ends = ([spec_of(one["name"], one["shape"]) for one in side] for side in (session.inputs, session.outputs))
    return fed(runner(session, names), *ends)


def activations(folder: Path, images: Iterable[Array], blobs: Iterable[str]) -> Iterator[Blobs]:
    """Yields, for each image (1, C, H, W), or inputs as one, the values of `blobs` by name, without a batch.

    Raises ExportError for a folder that ncnn cannot read or run. A blob that is passed on in 8 bits has the whole
    numbers that are stored.
    """
    net = ncnn.Net()
    configure(net.opt, 1, half=False)
    net.opt.lightmode = False  # which would free a blob as soon as it was read
    if net.load_param(str(folder / PARAM)) or net.load_model(str(folder / BIN)):
        raise ExportError("ncnn cannot read the network that was written")
    sources, _ = ends(str(folder / PARAM))
    wanted = list(dict.fromkeys(blobs))
    for image in images:
        held = [np.ascontiguousarray(one[0]) for one in apart(image, [source["shape"][1:] for source in sources])]
        extractor = net.create_extractor()
        for source, values in zip(sources, held, strict=True):
            extractor.input(source["name"], ncnn.Mat(values).clone())  # as the engine does
        found = {}
        for blob in wanted:
            code, values = extractor.extract(blob)
            if code:
                raise ExportError(f"ncnn stopped with code {code} before blob {blob}")
            found[blob] = np.array(values, np.float32)
        yield found
