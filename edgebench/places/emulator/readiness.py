"""Whether a device can be emulated here, and whether its bundle works."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Record
from edgebench.places.bundle.bundle import find, folder, require
from edgebench.places.emulator import counting, fakecpu
from edgebench.runtimes import PROBING, bundled

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

# Runs in the guest: what it thinks it is, and that every engine can be imported.
QUESTION: Final = (
    PROBING
    + """
import platform
for argument in sys.argv[1:]:
    module, name = argument.split("=")
    import_module(module)
    found[name] = version(name)
print(json.dumps({"machine": platform.machine(), "python": platform.python_version(), "versions": found}), file=told)
"""
)


class Readiness(Record, frozen=True, kw_only=True):
    """How far a device is from being emulated. `qemu_cpu` is None, and `reason` says why, where it cannot be.

    `bundle` is where the bundle is; `ready` says whether it is there. `note` tells how the model of its CPU differs.
    """

    name: str
    title: str
    core: str
    qemu_cpu: str | None
    note: str = ""
    reason: str = ""
    ready: bool = False
    bundle: str = ""
    size_bytes: int | None = None
    setup_s: float | None = None


class Check(Record, frozen=True, kw_only=True, tag="emulated", tag_field="kind"):
    """What a bundle answered. `counts` says whether instructions can be counted; `reason` why not."""

    name: str
    qemu_cpu: str
    qemu: str
    machine: str
    python: str
    versions: dict[str, str]
    counts: bool
    reason: str = ""
    seconds: float


def readiness(device: DeviceProfile) -> Readiness:
    """What is known without starting anything."""
    core, reason = None, ""
    try:
        core = fakecpu.core_of(device)
    except UsageError as error:
        reason = str(error)
    bundle = find() if core else None
    return Readiness(
        name=device.name,
        title=device.title,
        core=device.cpu.core,
        qemu_cpu=core.qemu if core else None,
        note=core.note if core else "",
        reason=reason,
        ready=bundle is not None,
        bundle=str(folder()),
        size_bytes=bundle.contents.size_bytes if bundle else None,
        setup_s=bundle.contents.setup_s if bundle else None,
    )


def check(device: DeviceProfile) -> Check:
    """Starts the guest, imports every engine, and counts the instructions of that if they can be counted.

    Raises UsageError when the bundle is not set up or the device cannot be emulated, DeviceError when it does not work.
    """
    bundle = require()
    began = time.monotonic()
    reason = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            options = counting.options(counting.plugin(bundle), Path(folder) / "counts.jsonl")
        except DeviceError as error:
            options, reason = [], str(error)
        engines = ["numpy=numpy", *(each.probe for each in bundled())]
        command = [*bundle.guest(device, *options), "-c", QUESTION, *engines]
        done = subprocess.run(command, capture_output=True, text=True, env=bundle.variables, check=False)
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.MsgspecError as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DeviceError(f"the guest of {device.name} does not answer: {last}; remove {bundle.folder}") from error
    return Check(
        name=device.name,
        qemu_cpu=fakecpu.core_of(device).qemu,
        qemu=bundle.contents.qemu,
        machine=answer.machine,
        python=answer.python,
        versions=answer.versions,
        counts=not reason,
        reason=reason,
        seconds=round(time.monotonic() - began, 1),
    )


class _Answer(Record, frozen=True, kw_only=True):
    """What QUESTION prints."""

    machine: str
    python: str
    versions: dict[str, str]
