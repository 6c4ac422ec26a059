"""Files that edgebench did not make: what is in a ready .onnx or .tflite file, read without running it."""

from __future__ import annotations

from pathlib import Path

from edgebench.formats import manifest
from edgebench.formats.contents import Contents
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, ExportSpec, Format, ModelSpec, TensorSpec
from edgebench.ground.registry import Registry

FAMILY = "file"
SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".tflite": "tflite"}
READERS = Registry(
    "file format",
    {"onnx": "edgebench.formats.onnx.foreign:read", "tflite": "edgebench.formats.tflite.foreign:read"},
    extras={"onnx": "onnx", "tflite": "tflite"},
)


def load_artifact(path: Path) -> Artifact:
    """Returns what is known of a file: its manifest where edgebench made it, else what the file itself says.

    A ready file's ModelSpec has the family "file" and the file's stem as its name; its parity is None, since there is
    no torch network to compare it with.

    Raises UsageError for a file that is not a network, is damaged, or does not take exactly one image.
    """
    if not path.exists():
        raise UsageError(f"there is no file {path}")
    made = manifest.read(path)
    if made is not None:
        return made
    if path.suffix not in SUFFIXES or path.is_dir():
        raise UsageError(f"{path} has no manifest of edgebench beside it; ready files are {' or '.join(SUFFIXES)}")
    _refuse_text(path)
    form = SUFFIXES[path.suffix]
    contents: Contents = READERS.load(form)(path)
    return Artifact(
        model=_model(path, contents),
        export=ExportSpec(format=form, precision=contents.precision),
        path=str(path),
        sha256=manifest.content_sha256(path),
        size_bytes=manifest.size_bytes(path),
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
    channels, height, width = _image(path, contents.inputs[0])
    classes = contents.outputs[0].shape[-1] if contents.outputs[0].shape else 1
    return ModelSpec(
        name=path.stem,
        family=FAMILY,
        resolution=width,
        height=height,
        channels=channels,
        classes=classes or 1,
    )


def _image(path: Path, tensor: TensorSpec) -> tuple[int, int, int]:
    """Returns (channels, height, width) of an input with four dimensions, of which only the batch may be dynamic."""
    sizes = [size for size in tensor.shape[1:] if size]
    if len(tensor.shape) != 4 or len(sizes) != 3:
        shape = "x".join(str(size or "?") for size in tensor.shape)
        raise UsageError(f"input {tensor.name} of {path} is {shape}: an image has four sizes, all but the batch fixed")
    if tensor.layout == "NHWC":
        return sizes[2], sizes[0], sizes[1]
    return sizes[0], sizes[1], sizes[2]
