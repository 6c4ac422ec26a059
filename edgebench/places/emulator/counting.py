"""Executed instructions by class: the QEMU plugin, built by this machine's compiler, and what it writes."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import DeviceError
from edgebench.ground.records import identity

if TYPE_CHECKING:
    from edgebench.places.bundle.bundle import Bundle

SOURCES: Final = Path(__file__).parent / "icount"
COMPILERS: Final = ("cc", "gcc", "clang")

# The names in icount/icount.c: every instruction belongs to exactly one class, so that their sum is "instructions".
TOTAL: Final = "instructions"
CLASSES: Final = (
    "scalar",
    "branch",
    "load",
    "store",
    "vector_load",
    "vector_store",
    "float_fma",
    "float_other",
    "vector_integer",
    "vector_multiply",
    "dot_product",
    "system",
)

Counts = dict[str, int]


def plugin(bundle: Bundle) -> Path:
    """The plugin, compiled when it is first asked for. Raises DeviceError, in a sentence that says what is missing."""
    sources = sorted(SOURCES.glob("*.[ch]"))
    name = identity([path.read_text("utf-8") for path in sources])
    library = bundle.folder / "host" / f"icount-{name}.so"
    if not library.is_file():
        compile_plugin(library)
    return library


def compile_plugin(library: Path) -> None:
    """Compiles icount/*.c into `library`. Raises DeviceError without a compiler, or with the compiler's own words."""
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        raise DeviceError("counting instructions needs a C compiler: apt install gcc")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        fresh = Path(folder) / "icount.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(fresh), *map(str, sorted(SOURCES.glob("*.c")))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise DeviceError(f"counting instructions needs a C compiler, and {compiler}: {error.strerror}") from error
        if done.returncode:
            raise DeviceError(f"{compiler} does not compile the counting plugin: {done.stderr.strip()[-300:]}")
        fresh.rename(library)


def options(library: Path, output: Path) -> list[str]:
    """QEMU's options that load the plugin. A comma in a path is doubled, as QEMU wants it."""
    return ["-plugin", f"{str(library).replace(',', ',,')},out={str(output).replace(',', ',,')}"]


def read(output: Path, runs: int) -> list[Counts]:
    """The counts of the last `runs` inferences, from the plugin's lines: one before and one after each.

    Raises DeviceError for a file that is not the plugin's, and for one with fewer inferences.
    """
    try:
        marks: list[Counts] = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
        steps = [{name: after[name] - before[name] for name in (TOTAL, *CLASSES)} for before, after in pairwise(marks)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeviceError(f"the counting plugin wrote something else than counts: {error}") from error
    inferences = steps[::2]
    if len(inferences) < runs:
        raise DeviceError(
            f"the counting plugin saw {len(inferences)} inferences and not {runs}: set up the bundle again"
        )
    return inferences[-runs:]


def typical(inferences: list[Counts]) -> Counts:
    """The inference with the median number of instructions, whole, so that its classes add up."""
    middle = statistics.median_low(counts[TOTAL] for counts in inferences)
    return next(counts for counts in inferences if counts[TOTAL] == middle)


def spread(inferences: list[Counts]) -> float:
    """(most - least) / median of the instructions."""
    totals = [counts[TOTAL] for counts in inferences]
    return (max(totals) - min(totals)) / statistics.median(totals)
