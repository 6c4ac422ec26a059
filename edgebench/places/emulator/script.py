"""A Python script on an emulated device, with numpy, Pillow and the runtimes of the bundle beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.ground.errors import DeviceError
from edgebench.ground.paths import check_there
from edgebench.places.bundle.bundle import require

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile


@dataclass(frozen=True)
class Ran:
    """How a script ended, and what it wrote."""

    code: int
    output: str
    errors: str


def run(device: DeviceProfile, script: Path, arguments: Sequence[str], *, timeout_s: float) -> Ran:
    """Runs a script on the device's CPU, in the current folder and in an environment of its own.

    Raises UsageError for a script that is not there and where the bundle is not set up, DeviceError for one that takes
    longer than `timeout_s`.
    """
    check_there(script)
    bundle = require()
    command = [*bundle.guest(device), str(script), *arguments]
    try:
        done = subprocess.run(command, env=bundle.variables, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{script} ran for more than {timeout_s:g} s on the emulated {device.name}") from error
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
