"""The Python that runs a worker on a device: the bundle's, which needs nothing there, or one of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edgebench.ground.errors import DeviceError
from edgebench.places.board.board import Board
from edgebench.places.board.push import tree_files
from edgebench.places.board.shell import Answer, Link, ask
from edgebench.places.bundle.bundle import Bundle, find

LIBRARIES: Final = "usr/lib/aarch64-linux-gnu"
LOADER: Final = f"{LIBRARIES}/ld-linux-aarch64.so.1"
OLDEST: Final = (3, 9)
RUN: Final = 'exec "$@"'
QUESTION: Final = """
import json, sys
try:
    import numpy
    found = numpy.__version__
except ImportError as error:
    found = None
print(json.dumps({"version": list(sys.version_info[:3]), "numpy": found}))
"""

# What a bundle's first start may say, and what that means.
HINTS: Final = (
    ("page-aligned", "its kernel has larger memory pages than the bundle's programs allow"),
    ("kernel too old", "its kernel is too old for the bundle's C library"),
    ("Permission denied", "its folder is on a disk from which nothing may be started (mounted noexec)"),
    ("Exec format error", "its kernel does not start 64-bit Arm programs"),
    ("Illegal instruction", "its CPU lacks an instruction that the bundle's programs use"),
)


@dataclass(frozen=True)
class Interpreter:
    """How to start Python on the device. `identity` names what it runs, for outcomes that are kept there.

    `path` is the user's own choice; None is the bundle.
    """

    command: tuple[str, ...]
    identity: str
    path: str | None = None


class _Answer(msgspec.Struct):
    """What QUESTION prints."""

    version: tuple[int, int, int]
    numpy: str | None


def own(link: Link, path: str) -> Interpreter:
    """The device's own Python. Raises DeviceError when it is not there, too old, or has no numpy."""
    answer = ask(link, RUN, path, "-c", QUESTION)
    if answer.status:
        raise DeviceError(f"{path} does not run as Python on {link.name}: {answer.last_error}")
    found = _read(link, path, answer)
    version = ".".join(map(str, found.version))
    if found.version < OLDEST:
        raise DeviceError(f"{path} on {link.name} is Python {version}, and {'.'.join(map(str, OLDEST))} is the oldest")
    if found.numpy is None:
        raise DeviceError(f"{path} on {link.name} has no numpy: {path} -m pip install numpy, on the device")
    return Interpreter((path,), f"{path} {version} {found.numpy}", path)


def bundled(link: Link, board: Board, push: Callable[[str, dict[str, Path]], None]) -> Interpreter:
    """The bundle's Python, which `push` sends unless it is there.

    Raises DeviceError when there is no bundle here yet, it does not fit on the device, or does not start there.
    """
    board.require_arm64()
    bundle = find()
    if bundle is None:
        raise DeviceError(
            f"there is no bundle to send to {link.name} yet: make it with edgebench device setup NAME,"
            " or name a Python there that has the runtime with `python`"
        )
    push("bundle", tree_files(bundle.folder / "root"))
    found = bundle_interpreter(bundle, f"{board.home}/bundle")
    answer = ask(link, RUN, *found.command, "-c", QUESTION)
    if answer.status:
        reason = next((hint for word, hint in HINTS if word in answer.errors), answer.last_error)
        raise DeviceError(f"the bundle does not start on {link.name}: {reason}; name a Python there with `python`")
    _read(link, "the bundle's Python", answer)
    return found


def bundle_interpreter(bundle: Bundle, home: str) -> Interpreter:
    """The bundle's Python as it starts from the folder `home` on a device: with its own loader and libraries."""
    variables = {**bundle.variables, "PYTHONHOME": f"{home}/usr", "PYTHONPATH": f"{home}/site"}
    command = (
        *("env", "-i", *(f"{name}={value}" for name, value in variables.items())),
        *(f"{home}/{LOADER}", "--library-path", f"{home}/{LIBRARIES}"),
        *(f"{home}/usr/bin/{bundle.contents.python}", "-S", "-s"),
    )
    return Interpreter(command, f"bundle {bundle.contents.version}")


def _read(link: Link, path: str, answer: Answer) -> _Answer:
    try:
        return msgspec.json.decode(answer.text.strip(), type=_Answer)
    except msgspec.MsgspecError as error:
        shown = answer.text.strip()[:60]
        raise DeviceError(f"{path} on {link.name} answered '{shown}', which is not what Python would say") from error
