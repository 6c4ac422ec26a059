"""What `edgebench device calibrate` prints: every new calibration with its error on networks left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from edgebench.estimate.validation import line
from edgebench.report import validation

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.run.calibrate import Calibrated


def blocks(found: Calibrated) -> list[RenderableType]:
    """The calibrations, where they are, and what gave no figure."""
    lines = [line(found.device.name, each) for each in found.calibrations]
    left_out = [Text(f"! left out: {sentence}") for sentence in found.left_out]
    closing = Text(f"wrote {found.path}: `edgebench profile --device {found.device.name} --via estimate` reads it")
    return [*validation.calibrations(lines), *left_out, closing, Text(validation.LEGEND, style="dim")]


def rows(found: Calibrated) -> dict[str, Any]:
    """The same for `--json`."""
    lines = [msgspec.to_builtins(line(found.device.name, each)) for each in found.calibrations]
    return {
        "device": found.device.name,
        "path": str(found.path),
        "calibrations": lines,
        "left_out": list(found.left_out),
    }
