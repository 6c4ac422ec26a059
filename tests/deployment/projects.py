"""What tests of projects share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.deployment.app import App

TRAINED = Path(__file__).parents[1] / "golden" / "trained" / "mobilenetv2-w0.35-d1-r64-k10.safetensors"

Deploy = Callable[..., tuple[Path, App]]


def needed(*programs: str) -> None:
    """Skips, naming the package, where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs the package {program}: apt-get install {program}")
