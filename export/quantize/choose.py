"""The choice among candidate files by what they do on held-out images: measured, not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array

Given = TypeVar("Given")
Run = Callable[[Array], Array]


@dataclass(frozen=True)
class Best:
    """The candidate with the least error, its file, and the error of every candidate by name."""

    name: str
    file: Path
    errors: dict[str, float]

    @property
    def error(self) -> float:
        """The chosen file's relative L2 error on the held-out images."""
        return self.errors[self.name]


def best(
    candidates: Mapping[str, Given],
    write: Callable[[str, Given], Path],
    run: Callable[[Path], Run],
    held_out: Iterable[Array],
    expected: Array,
) -> Best:
    """Writes each candidate, measures it on `held_out`, keeps the file with the least error and removes the others.

    `run` loads a file as if it were torch's network; `expected` are torch's outputs (image, 1, class). The first of
    equals is kept. Raises ValueError without candidates.
    """
    images = list(held_out)
    files: dict[str, Path] = {}
    errors: dict[str, float] = {}
    for name, given in candidates.items():
        files[name] = write(name, given)
        errors[name] = output_error(run(files[name]), images, expected)
        for loser in [other for other in files if errors[other] > min(errors.values())]:
            _remove(files.pop(loser))
    if not errors:
        raise ValueError("there are no candidates to choose from")
    chosen = min(errors, key=lambda name: errors[name])
    for equal in [name for name in files if name != chosen]:
        _remove(files.pop(equal))
    return Best(chosen, files[chosen], errors)


def output_error(run: Run, images: Iterable[Array], expected: Array) -> float:
    """The relative L2 error of all outputs together; infinite where an output is not finite."""
    found = np.stack([run(image) for image in images]).astype(np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return relative_l2(found, expected)


def worst_error(run: Run, images: Iterable[Array], expected: Array, parts: Sequence[slice]) -> float:
    """The relative L2 error of the output, one of the `parts` of the last axis, and the image where it is largest."""
    found = np.stack([run(image) for image in images])
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    flat = (found.reshape(len(found), -1), expected.reshape(len(found), -1))
    return max(relative_l2(one[part], right[part]) for one, right in zip(*flat, strict=True) for part in parts)


def _remove(file: Path) -> None:
    if file.is_dir():
        rmtree(file)
    else:
        file.unlink()


def relative_l2(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """|found - expected| / |expected| in the L2 norm; 0 where both are zero."""
    size = float(np.linalg.norm(np.asarray(expected, np.float64)))
    error = float(np.linalg.norm(np.asarray(found, np.float64) - expected))
    return error / size if size else float("inf") if error else 0.0
