"""Writes a project: a file, what runs it, and a test with its answer. Nothing in it needs edgebench."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from PIL import Image

from edgebench.deployment.app import App, app
from edgebench.deployment.target import Target
from edgebench.formats.format import form
from edgebench.formats.staging import publish, staging
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, Preprocessing
from edgebench.models.preparation import HOW

DESCRIPTION: Final = "model.json"
EXPECTED: Final = "expected.json"
TEST: Final = "test.png"
README: Final = "README.md"
_DRAWN: Final = "synthetic:shapes?size=320&images=1"
_DRAWN_HEIGHT: Final = 240  # of the test image, which is no square, so that resizing and cropping are tested


def check(target: Target, folder: Path) -> None:
    """Raises UsageError where a project must not be written to `folder`: what is there is no project of the target."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    readme = folder / README
    if not (readme.is_file() and _mark(target) in readme.read_text("utf-8", "replace")):
        raise UsageError(
            f"{folder} is there, and is no project for {target.name} that edgebench made: choose another folder"
        )


def deploy(
    artifact: Artifact,
    target: Target,
    folder: Path,
    *,
    images: Preprocessing | None,
    labels: tuple[str, ...] = (),
    image: Path | None = None,
) -> App:
    """Writes the project of a checked file into `folder`, whole or not at all; what an earlier call left is replaced.

    `images` is how they are prepared, `labels` what the outputs are called, `image` what the project tests itself with:
    a drawn one where it is None.

    Raises UsageError for a format that does not run there, a preparation that is not known, and as `app` and `check`
    do; DeviceError where the file cannot be run here.
    """
    target.check(artifact.export.format)
    check(target, folder)
    if images is None:
        raise UsageError(f"how {artifact.path} wants its images prepared is not known: {HOW}")
    with TemporaryDirectory() as drawn:
        test = _drawn(Path(drawn) / TEST) if image is None else image
        called = TEST if image is None else f"test{image.suffix.lower()}"
        made = app(artifact, images, labels, test, called, target.run)
        with staging(folder) as staged:
            whole = staged / "project"
            for path, content in (_fixed(target, made) | dict(target.made(made))).items():
                _put(whole / path, content)
            publish(whole, folder, sorted(each.name for each in whole.iterdir()))
    return made


def _fixed(target: Target, made: App) -> dict[str, str | bytes | Path]:
    """The files of the project by their paths in it: the target's own, the network's, the format's engine."""
    files: dict[str, str | bytes | Path] = {
        path.relative_to(target.project).as_posix(): path
        for path in target.project.rglob("*")
        if path.is_file() and path.suffix != ".pyc"  # which pip makes of a script as it installs
    }
    spec = made.artifact.model
    said = {
        "mark": _mark(target),
        "title": spec.title,
        "file": made.description.file,
        "input": "x".join(map(str, spec.input_shape[1:])),
        "precision": made.artifact.export.precision,
    }
    files[README] = Template((target.project / README).read_text("utf-8")).substitute(said)
    if target.sources is not None:
        files[f"{target.sources}/{target.engine}"] = target.snippet(form(made.artifact.export.format))
    for name, each in {DESCRIPTION: made.description, EXPECTED: made.expected}.items():
        files[f"{target.assets}/{name}"] = msgspec.json.format(msgspec.json.encode(each))
    return files | {
        f"{target.assets}/{made.description.file}": Path(made.artifact.path),
        f"{target.assets}/{made.expected.image}": made.test,
    }


def _mark(target: Target) -> str:
    return f"Made by edgebench deploy --to {target.name}"


def _put(path: Path, content: str | bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match content:
        case Path() if content.is_dir():
            shutil.copytree(content, path)
        case Path():
            shutil.copyfile(content, path)
        case str():
            path.write_text(content, "utf-8")
        case _:
            path.write_bytes(content)


def _drawn(path: Path) -> Path:
    """Draws the test image of a user who gave none."""
    from edgebench.data import load

    Image.fromarray(load(_DRAWN, split="val").source.pixels(0)[:_DRAWN_HEIGHT]).save(path)
    return path
