"""Files that edgebench did not make: what is in them, read without running them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgebench.formats import manifest
from edgebench.formats.format import Format, by_suffix, every
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import cache_folder, check_there, write
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Precision, TensorSpec

FAMILY = "file"
IMAGE_AXES = 4

Size = tuple[int, int, int]
PRECISIONS: dict[str, Precision] = {"float32": "fp32", "float16": "fp16", "int8": "int8", "uint8": "int8"}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Inputs, outputs, operators by the format's own names, and the elements of the constants by their dtype.

    `beside` are further files that hold a part of it.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]
    weights: dict[str, int]
    tool_versions: dict[str, str] = field(default_factory=dict)
    beside: tuple[Path, ...] = ()

    @property
    def precision(self) -> Precision:
        """The precision that most weights have; fp32 for a file without weights."""
        known = {dtype: count for dtype, count in self.weights.items() if dtype in PRECISIONS}
        return PRECISIONS[max(known, key=lambda dtype: known[dtype])] if known else "fp32"


def load_artifact(path: Path, size: Size | None = None) -> Artifact:
    """Returns what is known of a file: its manifest where edgebench made it, else what the file itself says.

    A foreign file's ModelSpec has the family "file" and the file's stem as its name; its parity is None, since there is
    no torch network to compare it with. Where it leaves the size of its image open, a copy of `size` (C, H, W) is made
    in the cache, and that is the file. Its first input is the image; further ones are fed zeros.

    Raises UsageError for a file that is not a network, is damaged, takes no image, or none of this size.
    """
    check_there(path)
    made = manifest.read(path) or _foreign(path, size)
    if size is not None and made.model.input_shape[1:] != size:
        raise UsageError(f"{path} takes images of {_by(made.model.input_shape[1:])}, not of {_by(size)}: leave it out")
    return made


def _foreign(path: Path, size: Size | None) -> Artifact:
    form = by_suffix(path)
    if form is None or not form.foreign or path.is_dir():
        known = " or ".join(sorted(suffix for each in every() if each.foreign for suffix in each.suffixes))
        raise UsageError(f"{path} has no manifest of edgebench beside it; ready files are {known}")
    _refuse_text(path)
    contents: Contents = form.load("foreign")(path)
    image, *others = _image_first(path, contents.inputs)
    if size is not None and form.sized and not all(image.shape[1:]):
        return _foreign(_sized(path, form, image, contents, size), None)
    return Artifact(
        model=_model(path, image, contents),
        export=ExportSpec(format=form.name, precision=contents.precision),
        path=str(path),
        sha256=manifest.content_sha256(path, *contents.beside),
        size_bytes=manifest.size_bytes(path, *contents.beside),
        inputs=(image, *others),
        outputs=contents.outputs,
        operators=contents.operators,
        tool_versions=contents.tool_versions,
    )


def _sized(path: Path, form: Format, image: TensorSpec, contents: Contents, size: Size) -> Path:
    """A copy in the cache whose image has the sizes of `size` where the file leaves them open."""
    asked = (*size[1:], size[0]) if image.layout == "NHWC" else size
    sizes = [own or wanted for own, wanted in zip(image.shape[1:], asked, strict=True)]
    known = manifest.content_sha256(path, *contents.beside)[:16]
    target = cache_folder() / "sized" / f"{known}-{_by(sizes)}" / path.name
    if not target.exists():
        write(target, form.load("sized")(path, image.name, sizes))
    return target


def _refuse_text(path: Path) -> None:
    """Refuses what opens as text: a web page, a Git LFS pointer, nothing at all."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise UsageError(f"{path} is empty")
    if start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        pointer = "; it is a Git LFS pointer: run git lfs pull" if start.startswith(b"version https://git-lfs") else ""
        raise UsageError(f"{path} is a text file, not a network{pointer}")


def _image_first(path: Path, inputs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The inputs, the first that has the four axes of an image before all others."""
    image = next((each for each in inputs if len(each.shape) == IMAGE_AXES), None)
    if image is None:
        shown = ", ".join(f"{each.name} is {_by(each.shape)}" for each in inputs)
        raise UsageError(f"{path} takes no image, which has four sizes, of which all but the batch are known: {shown}")
    return [image, *(each for each in inputs if each is not image)]


def _model(path: Path, image: TensorSpec, contents: Contents) -> ModelSpec:
    sizes = [size for size in image.shape[1:] if size]
    if len(sizes) != IMAGE_AXES - 1:
        raise UsageError(
            f"{path} leaves the size of its image open ({image.name} is {_by(image.shape)}): say it, such as"
            " `input='3x224x224'`"
        )
    channels, height, width = (sizes[2], sizes[0], sizes[1]) if image.layout == "NHWC" else sizes
    classes = contents.outputs[0].shape[-1] if contents.outputs[0].shape else 1
    return ModelSpec(
        name=path.stem, family=FAMILY, resolution=width, height=height, channels=channels, classes=classes or 1
    )


def _by(sizes: Sequence[int | None]) -> str:
    return "x".join(str(size or "?") for size in sizes)
