"""Files that edgebench did not make: what is in them, read without running them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgebench.formats import manifest
from edgebench.formats.format import by_suffix, every
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import check_there
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Precision, TensorSpec

FAMILY = "file"
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


def load_artifact(path: Path) -> Artifact:
    """Returns what is known of a file: its manifest where edgebench made it, else what the file itself says.

    A foreign file's ModelSpec has the family "file" and the file's stem as its name; its parity is None, since there is
    no torch network to compare it with.

    Raises UsageError for a file that is not a network, is damaged, or does not take exactly one image.
    """
    check_there(path)
    made = manifest.read(path)
    if made is not None:
        return made
    form = by_suffix(path)
    if form is None or not form.foreign or path.is_dir():
        known = " or ".join(sorted(each.suffix for each in every() if each.foreign))
        raise UsageError(f"{path} has no manifest of edgebench beside it; ready files are {known}")
    _refuse_text(path)
    contents: Contents = form.load("foreign")(path)
    return Artifact(
        model=_model(path, contents),
        export=ExportSpec(format=form.name, precision=contents.precision),
        path=str(path),
        sha256=manifest.content_sha256(path, *contents.beside),
        size_bytes=manifest.size_bytes(path, *contents.beside),
        inputs=contents.inputs,
        outputs=contents.outputs,
        operators=contents.operators,
        tool_versions=contents.tool_versions,
    )


def _refuse_text(path: Path) -> None:
    """Refuses what opens as text: a web page, a Git LFS pointer, nothing at all."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise UsageError(f"{path} is empty")
    if start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        pointer = "; it is a Git LFS pointer: run git lfs pull" if start.startswith(b"version https://git-lfs") else ""
        raise UsageError(f"{path} is a text file, not a network{pointer}")


def _model(path: Path, contents: Contents) -> ModelSpec:
    if len(contents.inputs) != 1:
        names = ", ".join(tensor.name for tensor in contents.inputs)
        raise UsageError(f"{path} has {len(contents.inputs)} inputs ({names}): edgebench takes networks with one image")
    tensor = contents.inputs[0]
    sizes = [size for size in tensor.shape[1:] if size]
    if len(tensor.shape) != 4 or len(sizes) != 3:
        shape = "x".join(str(size or "?") for size in tensor.shape)
        raise UsageError(f"input {tensor.name} of {path} is {shape}: an image has four sizes, all but the batch fixed")
    channels, height, width = (sizes[2], sizes[0], sizes[1]) if tensor.layout == "NHWC" else sizes
    classes = contents.outputs[0].shape[-1] if contents.outputs[0].shape else 1
    return ModelSpec(
        name=path.stem, family=FAMILY, resolution=width, height=height, channels=channels, classes=classes or 1
    )
