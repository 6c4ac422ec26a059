"""What an app has to know of a file: the part of its manifest that is left when nothing has to be decided any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.data.dataset import Unreadable
from edgebench.data.images import cover, prepare, read_image
from edgebench.formats.examples import Array
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, Preprocessing, Record, TensorSpec
from edgebench.ground.version import __version__
from edgebench.models.preparation import unprepared
from edgebench.run import classifiers

FIRST: Final = 5  # labels that are shown
_SURELY: Final = 1e-3  # how far the sum of probabilities may be from 1, in float16 too


class Tensor(Record, frozen=True, kw_only=True):
    """An input or an output; where `scale` is there, a value is (stored - zero_point) * scale."""

    name: str
    type: str
    layout: str
    scale: float | None = None
    zero_point: int = 0


class Images(Record, frozen=True, kw_only=True):
    """How an image becomes an input.

    It is resized to cover `cover` (height, width) and keeps its shape, or to just that size with `squash`; then its
    middle of `size` is cut out, values become v / 255, and (v - mean) / std. Without a mean they stay 0 to 255. `bgr`
    is the order of the channels, `upright` whether its EXIF orientation is obeyed first.
    """

    size: tuple[int, int]
    cover: tuple[int, int]
    channels: int
    interpolation: str
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    squash: bool
    bgr: bool
    upright: bool


class Description(Record, frozen=True, kw_only=True):
    """The project's model.json. With `softmax` the outputs are logits, and scores are their softmax."""

    title: str
    file: str
    sha256: str
    input: Tensor
    images: Images
    output: Tensor
    softmax: bool
    labels: tuple[str, ...]
    made_by: str = f"edgebench {__version__}"


class Expected(Record, frozen=True, kw_only=True):
    """The project's expected.json: what the file says of the test image, the best class first."""

    image: str
    classes: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class App:
    """A file, its description, and a test image with what the file says of it; `run` is the command to type next."""

    artifact: Artifact
    description: Description
    test: Path
    expected: Expected
    run: str


def app(artifact: Artifact, images: Preprocessing, labels: tuple[str, ...], test: Path, called: str, run: str) -> App:
    """Describes a file, and runs it on the image `test`, which the project has under the name `called`.

    Raises UsageError for a file that is no classifier of images, for other numbers of labels than outputs, and for an
    image that cannot be read; DeviceError where the file cannot be run here.
    """
    taken, given = artifact.inputs[0], artifact.outputs[0]
    spec = artifact.model
    if len(artifact.inputs) > 1:
        names = ", ".join(each.name for each in artifact.inputs)
        raise UsageError(f"{artifact.path} takes {names}: a project has one image to give")
    if len(artifact.outputs) > 1 or len([size for size in given.shape[1:] if size != 1]) > 1:
        shapes = ", ".join("x".join(str(size or "n") for size in each.shape) for each in artifact.outputs)
        raise UsageError(f"{artifact.path} gives {shapes}: a project shows the best of one list of classes")
    if labels and len(labels) != given.values:
        raise UsageError(f"{artifact.path} has {given.values} outputs, and {len(labels)} `labels` are given: name all")
    _, channels, height, width = spec.input_shape
    whole = artifact.takes_pixels
    outputs = _outputs(artifact, unprepared(images) if whole else images, test)
    softmax = not _are_probabilities(outputs)
    scores = _softmax(outputs) if softmax else outputs
    best = np.argsort(-scores, kind="stable")[:FIRST]
    return App(
        artifact,
        Description(
            title=spec.title,
            file=Path(artifact.path).name,
            sha256=artifact.sha256,
            input=_tensor(taken),
            images=Images(
                size=(height, width),
                cover=cover(images, height, width),
                channels=channels,
                interpolation=images.interpolation,
                mean=None if whole else images.mean,
                std=None if whole else images.std,
                squash=images.squash,
                bgr=images.channels == "bgr" and not whole,
                upright=images.exif,
            ),
            output=_tensor(given),
            softmax=softmax,
            labels=labels,
        ),
        test,
        Expected(
            image=called, classes=tuple(map(int, best)), scores=tuple(round(float(scores[each]), 6) for each in best)
        ),
        run,
    )


def _tensor(found: TensorSpec) -> Tensor:
    return Tensor(
        name=found.name,
        type=found.dtype,
        layout=found.layout or "NCHW",
        scale=found.scale,
        zero_point=found.zero_point or 0,
    )


def _outputs(artifact: Artifact, images: Preprocessing, test: Path) -> Array:
    """What the file says of one image, one value a class."""
    try:
        pixels = read_image(test, upright=images.exif)
    except Unreadable as error:
        raise UsageError(f"the test image {error}: give another") from error
    _, *shape = artifact.model.input_shape
    prepared = prepare(pixels, images, (shape[0], shape[1], shape[2]))
    values: Array = np.ravel(classifiers.of_file(artifact, 1).run(prepared[None])[0])
    if not np.isfinite(values).all():
        raise DeviceError(f"{artifact.path} gives no numbers for {test}: train the network, or give its weights")
    return values


def _are_probabilities(outputs: Array) -> bool:
    return bool(outputs.min() >= 0 and abs(float(outputs.sum()) - 1) < _SURELY)


def _softmax(logits: Array) -> Array:
    raised = np.exp(logits.astype(np.float64) - logits.max())
    scores: Array = (raised / raised.sum()).astype(np.float32)
    return scores
